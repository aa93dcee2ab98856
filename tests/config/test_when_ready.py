"""What gunicorn does once, before its workers start."""

from __future__ import annotations

import gc

from lucide import _load_icon

from config import gunicorn


def test_icons_are_drawn_and_the_garbage_collector_is_set_before_workers_start() -> None:
    thresholds = gc.get_threshold()
    _load_icon.cache_clear()
    try:
        gunicorn.when_ready(None)
        assert _load_icon.cache_info().currsize > 10
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] == 10_000
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
