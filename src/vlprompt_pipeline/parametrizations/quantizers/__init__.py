"""The quantizers, one module each, which registers it; `parametrizations` imports them all."""
