import torch

from endofm.batch import Colour, View, ViewBatch


def _batch(num_clips: int) -> ViewBatch:
    rows = torch.arange(num_clips)
    colour = Colour(
        jitter=rows % 2 == 0,
        order=rows[:, None].expand(-1, 3),
        factor=rows[:, None].expand(-1, 3).float(),
        grey=rows % 2 == 1,
    )
    frames = rows[:, None, None, None, None].expand(-1, 2, 4, 4, 3).to(torch.uint8)
    return ViewBatch((View(frames, colour), View(frames, colour)), rows)


def test_micro_batches_are_consecutive_rows_of_everything() -> None:
    parts = list(_batch(6).split(3))
    assert [part.clip_index.tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    for part in parts:
        for view in part.views:
            assert view.frames[:, 0, 0, 0, 0].tolist() == part.clip_index.tolist()
            assert view.colour.factor[:, 0].tolist() == part.clip_index.tolist()
            assert view.colour.grey.tolist() == [i % 2 == 1 for i in part.clip_index.tolist()]


def test_moving_keeps_everything() -> None:
    batch = _batch(2)
    moved = batch.to(torch.device("cpu"))
    assert torch.equal(moved.views[1].frames, batch.views[1].frames)
    assert torch.equal(moved.views[1].colour.order, batch.views[1].colour.order)
