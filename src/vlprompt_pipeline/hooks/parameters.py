"""Parameters are checked as a whole, before any node runs."""

from __future__ import annotations

from typing import Any

from kedro.framework.cli.utils import KedroCliError
from kedro.framework.hooks import hook_impl

from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.selection import select_methods


class ParameterHook:
    """Refuses unknown keys and wrong values in one sentence, and notes the methods to run."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Check everything under conf and `--params`."""
        # imported here: `kedro --version` and its like need neither pydantic nor torch
        from vlprompt_pipeline.config import RunParameters, parse
        from vlprompt_pipeline.prompts.recipe import resolve_recipe

        try:
            parameters = parse(RunParameters, context.config_loader["parameters"])
            methods = parameters.selected_methods()
            for method in methods:
                resolve_recipe(method, parameters.recipes)
        except UserError as error:
            raise KedroCliError(str(error)) from None
        select_methods(methods)
