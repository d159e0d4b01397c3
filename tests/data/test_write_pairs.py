import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from trimtab.data import Message, Pair, read_pairs, write_pairs
from trimtab.data.formats.completion_labels import read_labels
from trimtab.errors import DataError

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
chats = st.builds(
    lambda system, user: (Message(role="system", content=system), Message(role="user", content=user)),
    texts,
    texts,
)
metas = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    st.integers() | st.none() | st.booleans() | st.lists(st.integers()),
)


@st.composite
def behaviors(draw):
    is_choice = draw(st.booleans())
    pairs = []
    for index in range(draw(st.integers(1, 5))):
        ends = draw(st.lists(texts, min_size=2, max_size=2, unique_by=str.strip))
        choices = tuple(draw(st.permutations(ends))) if is_choice else ()
        listed = draw(st.booleans()) if is_choice else True
        pairs.append(Pair(f"p{index}", draw(texts | chats), ends[0], ends[1], choices, listed, draw(metas)))
    labels = read_labels(pairs)
    assume(not labels.pairs and not labels.faults)  # of those, see test_labels.py
    return tuple(pairs)


@given(behaviors())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_written_pairs_are_read_back_unchanged(tmp_path, pairs):
    write_pairs(tmp_path / "pairs.jsonl", pairs)
    assert read_pairs(tmp_path / "pairs.jsonl") == pairs


def test_old_file_stays_whole_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [Pair("a", "Q", "yes", "no")])
    before = path.read_bytes()

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(DataError, match=r"No space"):
        write_pairs(path, [Pair("b", "Q", "yes", "no")])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], "no pairs to write"),
        ([Pair("a", "", "yes", "no")], "pair 1 ('a'): \"prompt\" is empty"),
        ([Pair("a", "Q", "yes", "no"), Pair("a", "Q", "yes", "no")], "the id 'a' is taken 2 times"),
        ([Pair("a", "Q", "(A)", "(B)")], "pair 1 ('a'): the completions are answers by label"),
        ([Pair("a", "Q\n(A) x\n(B) y", "(A)", "(B)")], "give its `choices`"),
        ([Pair("a", "Q", "y\0", "n")], "pair 1 ('a'): \"positive\" holds a zero character"),
        ([Pair("a\x1b", "Q", "y", "n")], '"id" holds the control character U+001B'),
        ([Pair("a", "Q", "y", "n"), Pair("b", "Q", "y", "n", ("y", "n"))], "some pairs have choices"),
    ],
)
def test_pairs_that_could_not_be_read_again_are_not_written(tmp_path, pairs, expected):
    with pytest.raises(DataError) as caught:
        write_pairs(tmp_path / "pairs.jsonl", pairs)
    assert expected in str(caught.value)
    assert not list(tmp_path.iterdir())
