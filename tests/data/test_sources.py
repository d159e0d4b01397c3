import json

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from trimtab.data import dataset
from trimtab.errors import DataError

ROW = json.dumps({"prompt": "Q", "positive": "yes", "negative": "no"})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.jsonl").write_text(ROW)
    return tmp_path


@pytest.fixture
def hub(monkeypatch, folder):
    """Pretend to download; what was asked for is noted."""
    asked = []

    def download(repository, filename, *, repo_type, revision, local_files_only):
        asked.append((repository, filename, repo_type, revision))
        return str(folder / "mine.jsonl")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_built_in_name_wins():
    assert dataset("corrigible").description


@pytest.mark.parametrize("name", ["mine.jsonl", "mine", ""])
def test_file_is_found_by_path_without_ending_or_by_its_folder(folder, name):
    behavior = dataset(folder / name)
    assert (behavior.name, len(behavior)) == ("mine", 1)


def test_folder_with_several_files_names_them(folder):
    (folder / "other.jsonl").write_text(ROW)
    with pytest.raises(DataError, match=r"holds 2 files; name one of mine\.jsonl, other\.jsonl"):
        dataset(folder)


def test_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no file of pairs"):
        dataset(tmp_path)


def test_unknown_name_hints_at_near_ones_and_lists_the_built_ins():
    with pytest.raises(DataError, match=r"'corrigble'; did you mean corrigible .*\nbuilt in are corrigible, self-"):
        dataset("corrigble")


def test_missing_path_is_reported_as_a_file(tmp_path):
    with pytest.raises(DataError, match=r"nope\.jsonl: no such file"):
        dataset(tmp_path / "nope.jsonl")


def test_hub_reference_names_repository_file_and_revision(hub):
    assert dataset("hub:Anthropic/model-written-evals@abc/persona/openness.jsonl").name == "mine"
    dataset("hub:Anthropic/model-written-evals/persona/openness.jsonl")
    assert hub == [
        ("Anthropic/model-written-evals", "persona/openness.jsonl", "dataset", revision) for revision in ("abc", None)
    ]


def test_incomplete_hub_reference_is_refused():
    with pytest.raises(DataError, match="write hub:owner/dataset/path"):
        dataset("hub:Anthropic/model-written-evals")


def test_offline_hub_says_what_to_do(monkeypatch):
    def fail(*_, **__):
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(DataError, match="go online, or give a local file"):
        dataset("hub:a/b/c.jsonl")


def test_limit_samples_with_the_seed():
    first, again, other = (dataset("corrigible", limit=10, seed=seed) for seed in (1, 1, 2))
    assert len(first) == 10
    assert first == again != other
