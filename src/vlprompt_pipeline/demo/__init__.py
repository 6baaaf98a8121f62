"""Pre-training of the embedded CLIP on the rendered world.

| module | what it does |
| --- | --- |
| `config` | the recipe |
| `pool`, `tokens`, `batches` | pictures with captions, as they are learnt |
| `model`, `loss`, `attributes` | the tiny CLIP while it trains |
| `trainer` | the run |
| `evaluate` | zero-shot accuracy of what it gives |
| `checkpoint`, `card` | the files |
| `streams` | random streams of one seed |
"""
