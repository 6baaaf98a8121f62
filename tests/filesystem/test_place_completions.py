"""Completion records in a place: of two runs that finish a cell at once one keeps its record."""

from __future__ import annotations

from vlprompt_pipeline.filesystem.places import local
from vlprompt_pipeline.hooks import completion as hook
from vlprompt_pipeline.reproducibility.completion import Completion, Key


def test_a_record_that_another_run_put_meanwhile_is_kept(bucket, machine, monkeypatch, tmp_path):
    record = f"{bucket}/paper/08_reporting/completion/a/coop.json"
    first, second = (
        Completion(key=Key(settings, "code", "inputs"), outputs={})
        for settings in ("first", "second")
    )
    assert hook.is_first(local(record), first)
    machine("second")
    file = local(record)
    assert Completion.read(file) == first
    assert hook.is_first(file, second), "a record that is known is replaced as any file"
    monkeypatch.setattr(hook, "exists", lambda path: False)  # as it was when this run looked
    assert not hook.is_first(file, second)
    assert Completion.read(file) == first
    assert hook.is_first(tmp_path / "coop.json", second), "on a disk the lock is enough"
