import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from endofm.data.text_columns import Categories, Texts

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6))


@given(TEXTS)
def test_texts_come_back(texts: list[str]) -> None:
    column = Texts.of(texts)
    assert list(column) == texts
    assert [column[number] for number in range(len(column))] == texts
    assert column.is_sound


@given(TEXTS)
def test_categories_come_back_and_are_kept_once(texts: list[str]) -> None:
    column = Categories.of(texts)
    assert [column[number] for number in range(len(texts))] == texts
    assert list(column.names) == sorted(set(texts))
    assert column.is_sound


def test_a_name_that_is_no_unicode_survives() -> None:
    assert list(Texts.of(["\udcff.mp4", "b"])) == ["\udcff.mp4", "b"]


def test_what_does_not_fit_is_not_sound() -> None:
    data = np.zeros(4, np.uint8)
    for ends in ([1, 2], [3, 2, 4], [1, 9]):
        assert not Texts(data, np.array(ends, np.uint64)).is_sound
    assert not Categories(Texts.of(["a"]), np.array([0, 1], np.uint32)).is_sound
