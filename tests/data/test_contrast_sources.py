"""What a source may be: one file, two, a part of one, a split on the hub; and what it holds, in any shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
import pandas as pd
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, RevisionNotFoundError

import trimtab as tt
from trimtab.data import Behavior, PromptContrast, SetContrast, check, contrast, dataset, open_prompts
from trimtab.data._hub_files import files_of_split
from trimtab.data.containers import row_problems
from trimtab.data.sources import relocated
from trimtab.errors import DataError, SettingError, TrimtabWarning, UnreachableError


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture
def lists(tmp_path: Path) -> tuple[Path, Path]:
    return (
        write(tmp_path / "rude.txt", *(f"Rude request {i}?" for i in range(20))),
        write(tmp_path / "kind.txt", *(f"Kind request {i}?" for i in range(30))),
    )


def test_names_are_at_the_top() -> None:
    assert tt.contrast is contrast
    assert (tt.PromptContrast, tt.SetContrast) == (PromptContrast, SetContrast)


def test_two_files_are_two_lists_in_either_spelling(lists: tuple[Path, Path]) -> None:
    rude, kind = lists
    found = contrast(rude, kind)
    assert found == contrast(f"{rude} vs {kind}")
    assert isinstance(found, SetContrast)
    assert (found.name, len(found.positive), len(found.negative)) == ("rude-vs-kind", 20, 30)
    assert found.positive[3].prompt == "Rude request 3?"
    assert found.positive[3].reference == f"example +L4 ({rude}:4)"
    assert len(found.split()[0].positive) == 10


def test_a_file_whose_own_name_has_vs_in_it_is_that_file(tmp_path: Path) -> None:
    path = write(tmp_path / "cats vs dogs.jsonl", {"prompt": "Q", "positive": "cats", "negative": "dogs"})
    assert dataset(path)[0].positive == "cats"
    assert dataset(str(path).removesuffix(".jsonl"))[0].positive == "cats"


@pytest.mark.parametrize(("raw", "expected"), [(None, False), (True, True), (False, False)])
def test_texts_are_prompts_unless_they_are_said_to_be_raw(
    lists: tuple[Path, Path], raw: bool | None, expected: bool
) -> None:
    found = contrast(*lists, raw=raw)
    assert isinstance(found, SetContrast)
    assert found.positive[0].is_raw == expected


@pytest.mark.parametrize("mark", ["<|im_start|>user\\n{}<|im_end|>", "[INST] {} [/INST]", "<start_of_turn>user\\n{}"])
def test_texts_with_the_marks_of_a_template_are_raw(tmp_path: Path, mark: str) -> None:
    one, other = (write(tmp_path / f"{name}.txt", mark.format(name)) for name in ("glad", "sad"))
    found = contrast(one, other)
    assert isinstance(found, SetContrast)
    assert found.positive[0].is_raw
    assert "\\n" not in found.positive[0].completion
    assert contrast(one, other, raw=False).positive[0].prompt == mark.format("glad")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("positive", "negative", "words"),
    [
        (["a", "b"], ["a", "b"], "2 texts in both lists"),
        (["a"], [], "the file is empty"),
        ([{"prompt": "Q", "positive": "a", "negative": "b"}], ["a"], "a contrast of its own"),
    ],
)
def test_two_lists_that_contrast_nothing_are_refused(
    tmp_path: Path, positive: list[Any], negative: list[Any], words: str
) -> None:
    one, other = write(tmp_path / "one.txt", *positive), write(tmp_path / "other.txt", *negative)
    with pytest.raises(DataError, match=words):
        contrast(one, other)
    assert words in "".join(check(f"{one} vs {other}").problems)


def test_lists_of_one_are_read_and_said_to_be_too_few_to_split(tmp_path: Path) -> None:
    report = check(f"{write(tmp_path / 'a.txt', 'a')} vs {write(tmp_path / 'b.txt', 'b')}")
    assert report.ok
    assert any("too few to split" in remark for remark in report.remarks)


def test_one_list_is_no_contrast_but_prompts(lists: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match=r"one list of 20, and a contrast needs two; .*POSITIVE vs NEGATIVE"):
        contrast(lists[0])
    with pytest.raises(DataError, match="open_prompts"):
        dataset(lists[0])
    assert len(open_prompts(lists[0])) == 20
    assert len(open_prompts("cheerful")) == len(dataset("cheerful"))


def test_dataset_reads_pairs_only_and_says_what_else_it_is(lists: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match=r"two lists, .*`trimtab\.data\.contrast`"):
        dataset(f"{lists[0]} vs {lists[1]}")


def test_contrast_reads_pairs_too(tmp_path: Path) -> None:
    assert isinstance(contrast("cheerful"), Behavior)
    path = write(tmp_path / "a.jsonl", {"prompt": "Q", "positive": "good", "negative": "bad"})
    assert contrast(path) == dataset(path)


def test_a_limit_samples_every_shape_with_the_seed(lists: tuple[Path, Path], tmp_path: Path) -> None:
    sets = contrast(*lists, limit=5)
    assert isinstance(sets, SetContrast)
    assert (len(sets.positive), len(sets.negative)) == (5, 5)
    assert sets != contrast(*lists, limit=5, seed=1)
    rows = [{"positive_prompt": f"Glad {i}", "negative_prompt": f"Sad {i}"} for i in range(9)]
    prompts = contrast(write(tmp_path / "p.jsonl", *rows), limit=4)
    assert [pair.id for pair in prompts.pairs] == sorted(pair.id for pair in prompts.pairs)  # type: ignore[union-attr]
    assert len(prompts) == 4
    assert len(contrast("cheerful", limit=3)) == 3
    with pytest.raises(SettingError, match="at least one"):
        contrast(*lists, limit=0)


def test_a_part_of_an_object_is_named_behind_the_file(tmp_path: Path) -> None:
    parts = {part: [{"prompt": part, "positive": "good", "negative": "bad"}] for part in ("train", "test")}
    path = write(tmp_path / "both.json", parts)
    found = dataset(f"{path}#test")
    assert (found.name, found[0].prompt) == ("both-test", "test")
    with pytest.raises(DataError, match="have no parts; leave out the #dev"):
        dataset(f"{write(tmp_path / 'one.jsonl', *parts['train'])}#dev")


def test_paths_of_a_source_are_moved_and_nothing_else() -> None:
    def there(name: str) -> str:
        return f"/there/{name}" if name in ("a.txt", "b.txt", "t.parquet") else name

    assert relocated("a.txt vs b.txt", there) == "/there/a.txt vs /there/b.txt"
    assert relocated("t.parquet#3", there) == "/there/t.parquet#3"
    assert relocated("hub:a/b#train vs a.txt", there) == "hub:a/b#train vs /there/a.txt"
    assert relocated("cheerful", there) == "cheerful"


FILES = [
    "README.md", "data/train_prefs-00000-of-00001.parquet", "data/test_prefs-00000-of-00001.parquet",
    "data/train_sft-00000-of-00002.parquet", "data/train_sft-00001-of-00002.parquet",
    "harmless-base/train.jsonl.gz", "helpful-base/train.jsonl.gz", "default/dev/0000.parquet", "notrain.jsonl",
    "big-10.csv", "big-2.csv",
]  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "split", "found"),
    [
        ("", "train_prefs", ["data/train_prefs-00000-of-00001.parquet"]),
        ("", "train", ["harmless-base/train.jsonl.gz", "helpful-base/train.jsonl.gz"]),
        ("harmless-base", "train", ["harmless-base/train.jsonl.gz"]),
        ("", "train_sft", ["data/train_sft-00000-of-00002.parquet", "data/train_sft-00001-of-00002.parquet"]),
        ("", "dev", ["default/dev/0000.parquet"]),
        ("", "prefs", []),
        ("", "big", ["big-2.csv", "big-10.csv"]),
    ],
)
def test_the_files_of_a_split_are_found_by_their_names(folder: str, split: str, found: list[str]) -> None:
    assert files_of_split(FILES, folder, split) == found


@pytest.fixture
def hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[dict[str | None, list[str]]], list[tuple[Any, ...]]]:
    """Pretend to be the hub; what was downloaded is noted."""
    copy = write(tmp_path / "train.jsonl", {"prompt": "Q", "chosen": "good", "rejected": "bad"})
    asked: list[Any] = []

    def serve(files: dict[str | None, list[str]]) -> list[Any]:
        def listed(api: Any, repository: str, *, repo_type: str, revision: str | None) -> list[str]:
            if revision not in files:
                raise RevisionNotFoundError("no such revision", response=_Response())  # type: ignore[arg-type]
            return files[revision]

        def download(
            repository: str, path: str, *, repo_type: str, revision: str | None, local_files_only: bool
        ) -> str:
            asked.append((repository, path, revision))
            return str(copy)

        monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", listed)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        return asked

    return serve


class _Response:
    headers: dict[str, str] = {}  # noqa: RUF012
    request = None
    status_code = 404


def test_a_split_on_the_hub_is_the_one_file_that_holds_it(hub: Any) -> None:
    asked = hub({None: FILES})
    found = dataset("hub:HuggingFaceH4/ultrafeedback_binarized#train_prefs")
    assert (found.name, found[0].positive) == ("ultrafeedback_binarized-train_prefs", "good")
    assert dataset("hub:Anthropic/hh-rlhf/harmless-base#train").name == "hh-rlhf-harmless-base-train"
    assert asked == [
        ("HuggingFaceH4/ultrafeedback_binarized", "data/train_prefs-00000-of-00001.parquet", None),
        ("Anthropic/hh-rlhf", "harmless-base/train.jsonl.gz", None),
    ]


def test_a_split_that_no_file_holds_is_looked_for_among_the_hubs_own_tables(hub: Any) -> None:
    asked = hub({None: ["script.py"], "refs/convert/parquet": ["default/train/0000.parquet"]})
    assert len(dataset("hub:a/b#train")) == 1
    assert asked == [("a/b", "default/train/0000.parquet", "refs/convert/parquet")]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "hub:a/b#train",
            r"in 2 files .*no parts of one table; name one of them: hub:a/b/harmless-base/train\.jsonl\.gz",
        ),
        ("hub:a/b#nope", "no file of the split 'nope'; its data files are data/train_prefs"),
        ("hub:a/b@gone#train", "no revision 'gone'"),
        ("hub:a/b", "hub:owner/dataset#split"),
    ],
)
def test_a_split_that_cannot_be_one_table_is_refused(hub: Any, source: str, words: str) -> None:
    hub({None: FILES})
    with pytest.raises(DataError, match=words):
        dataset(source)


Parts = Callable[..., list[str]]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Parts:
    """Pretend to be a hub with a split in several files; which were downloaded is noted."""
    fetched: list[str] = []

    def serve(*contents: Any, names: Sequence[str] = (), kind: str = "parquet") -> list[str]:
        paths = list(names) or [f"data/train-{n:05d}-of-{len(contents):05d}.{kind}" for n in range(len(contents))]
        for path, rows in zip(paths, contents, strict=True):
            copy = tmp_path / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(rows, str):
                copy.write_text(rows, encoding="utf-8")
            else:
                pd.DataFrame(rows).to_parquet(copy)

        def download(
            repository: str, path: str, *, repo_type: str, revision: str | None, local_files_only: bool
        ) -> str:
            fetched.append(path)
            return str(tmp_path / path)

        listed = [*reversed(paths), "README.md"]
        monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda api, repository, **options: listed)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        return fetched

    return serve


def rows(first: int, last: int) -> list[dict[str, str]]:
    return [{"prompt": f"Q{n}", "positive": f"yes {n}", "negative": f"no {n}"} for n in range(first, last)]


def test_a_split_in_several_files_is_read_as_one_table(parts: Parts) -> None:
    fetched = parts(rows(0, 3), rows(3, 5), rows(5, 9))
    found = dataset("hub:a/b#train")
    assert (found.name, [pair.prompt for pair in found]) == ("b-train", [f"Q{n}" for n in range(9)])
    assert [pair.id for pair in found][2:4] == ["R3", "R4"]
    assert found[3].origin == "hub:a/b/data/train-00001-of-00003.parquet: row 1"
    assert fetched == [f"data/train-{n:05d}-of-00003.parquet" for n in range(3)]
    assert check("hub:a/b#train").remarks[0].endswith("pairs.jsonl: 9 pairs, open")


def test_no_more_parts_are_fetched_than_a_head_takes(parts: Parts) -> None:
    fetched = parts(rows(0, 3), rows(3, 5), rows(5, 9))
    assert len(dataset("hub:a/b#train", head=4)) == 4
    assert len(fetched) == 2
    assert len(dataset("hub:a/b#train", head=3)) == 3
    assert len(fetched) == 3


@pytest.mark.parametrize("names", [("train/0000.parquet", "train/0001.parquet"), ()])
def test_parts_are_known_by_either_way_of_numbering(parts: Parts, names: tuple[str, ...]) -> None:
    parts(rows(0, 2), rows(2, 4), names=names)
    assert len(dataset("hub:a/b#train")) == 4


def test_lines_of_parts_are_named_by_their_file(parts: Parts) -> None:
    lines = ["".join(json.dumps(row) + "\n" for row in rows(n, n + 2)) for n in (0, 2)]
    parts(lines[0], lines[1] + "{broken\n", kind="jsonl")
    with pytest.raises(DataError, match=r"hub:a/b/data/train-00001-of-00002\.jsonl:3: broken JSON"):
        dataset("hub:a/b#train")
    with pytest.warns(TrimtabWarning, match="left out: line 5"):
        assert len(dataset("hub:a/b#train", skip_bad=True)) == 4


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("data/train-00000-of-00003.parquet", "data/train-00002-of-00003.parquet"), "of 3 parts number 1 is missing"),
        (("data/train-00000-of-00002.parquet",), "of 2 parts number 1 is missing"),
        (("train/0000.parquet", "train/0002.parquet"), "of 3 parts number 1 is missing"),
        (
            ("one/train.parquet", "two/train.parquet"),
            "no parts of one table; name one of them: hub:a/b/one",
        ),
    ],
)
def test_parts_that_are_not_whole_are_refused(parts: Parts, names: tuple[str, ...], words: str) -> None:
    fetched = parts(*(rows(0, 2) for _ in names), names=names)
    with pytest.raises(DataError, match=words):
        dataset("hub:a/b#train")
    assert not fetched


def test_the_limits_of_a_file_are_those_of_all_parts_together(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_problems, "MAX_LINES", 4)
    fetched = parts(rows(0, 3), rows(3, 6), rows(6, 9))
    with pytest.raises(DataError, match=r"hub:a/b#train: the first 2 of its files have more than 4 rows; read"):
        dataset("hub:a/b#train")
    assert len(fetched) == 2  # what would be refused is not downloaded
    assert len(dataset("hub:a/b#train", head=8)) == 8
    monkeypatch.setattr(row_problems, "MAX_VALUES", 14)
    monkeypatch.setattr(row_problems, "MAX_LINES", 100)
    with pytest.raises(DataError, match="the first 2 of its files have more than 14 values"):
        dataset("hub:a/b#train")


def test_parts_of_another_make_are_refused(parts: Parts) -> None:
    parts(rows(0, 2), '{"prompt": "Q", "positive": "a", "negative": "b"}\n')
    with pytest.raises(DataError, match=r"train-00001-of-00002\.parquet: this part is of another make"):
        dataset("hub:a/b#train")


def test_a_split_offline_is_looked_for_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(UnreachableError, match="go online"):
        dataset("hub:a/b#train", offline=True)


def test_a_split_on_a_hub_that_refuses_connections_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the HTTP library raises is no OSError."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    refused = vars(huggingface_hub.errors)["HTTPError"]

    def refuse(*args: Any, **options: Any) -> None:
        raise refused("connection refused")

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", refuse)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refuse)
    monkeypatch.setattr(huggingface_hub, "list_repo_files", refuse)
    with pytest.raises(UnreachableError, match="out of reach"):
        contrast("hub:owner/pairs#train")
