"""Owns what a clock is: a callable that gives the seconds since the epoch, passed in wherever time matters."""

from collections.abc import Callable

Clock = Callable[[], float]
