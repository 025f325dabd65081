from endofm.errors import DataError


def test_an_error_is_one_line_whatever_the_file_is_called() -> None:
    assert str(DataError("bad\nname.mp4: unreadable", "remove it")) == (
        "bad name.mp4: unreadable; remove it"
    )


def test_an_error_survives_pickling_between_processes() -> None:
    import pickle

    error = DataError("a", "b")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy)) == (DataError, "a; b")
