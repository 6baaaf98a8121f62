"""Seeds that were made with other settings are rows of their own, named by what differs."""

from __future__ import annotations

from pipelines.project import Project, merged

COOP = {"methods": ["coop"], "recipes": {"coop": {"training": {"epochs": 1}}}}


def test_seeds_made_with_other_settings_are_not_averaged(project: Project):
    project.run(COOP)
    other = {"recipes": {"coop": {"training": {"epochs": 2}}}}
    project.run(merged(COOP, {"seed": 2, **other}))
    titles = list(project.report()["title"])  # a row each
    assert len(titles) == 2
    assert [title for title in titles if "training.epochs=2" in title], titles
