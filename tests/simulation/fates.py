"""What befalls a process: killed, cancelled, paused, cut off, stopped, or its wall clock jumps; at any await of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .loop import Body

_EVENTS = ("results", "manifest", "manifest", "answer", "workers")


def give_fate(world: Any, body: Body) -> None:
    """Draws what will happen to a worker, and when: at one of its steps, or right after something it did."""
    chance = world.chance
    for _ in range(chance.choice((0, 1, 1, 1, 2))):
        kind = chance.choice((_kill, _kill, _cancel, _pause, _pause, _cut, _stop, _jump))
        act = _told(world, body, kind)
        if chance.random() < 0.5:
            body.at_step[int(10 ** (1 + 2.2 * chance.random()))] = act
        else:
            body.at_event[chance.choice(_EVENTS), chance.randint(0, 3)] = act
    body.restart = chance.random() < 0.7


def _told(world: Any, body: Body, kind: Callable[[Any, Body], None]) -> Callable[[], None]:
    def act() -> None:
        if body.alive and world.loop.time() < world.ends:
            world.log.append(f"{world.loop.time():8.3f} {body.name} {kind.__name__.strip('_')}")
            kind(world, body)

    return act


def _kill(world: Any, body: Body) -> None:
    body.alive = False
    world.checker.dead[body.name] = world.loop.time()
    world.calls.excuse("killed", body.name)
    if body.restart:
        world.loop.after(world.chance.random() * world.lease * 1.5, world.start_worker, body)


def _cancel(world: Any, body: Body) -> None:
    assert body.task is not None
    body.task.cancel()


def _stop(world: Any, body: Body) -> None:
    if body.stop:
        body.stop()


def _pause(world: Any, body: Body) -> None:
    body.paused = True

    def wake() -> None:
        if body.alive and body.paused:
            world.log.append(f"{world.loop.time():8.3f} {body.name} wakes")
            body.wake(world.loop)

    world.loop.after(_while(world), wake)


def _cut(world: Any, body: Body) -> None:
    body.cut = world.loop.time() + _while(world)


def _jump(world: Any, body: Body) -> None:
    body.jump = world.chance.choice((-86400.0, -30.0, 30.0, 3600.0, 86400.0 * 365))


def _while(world: Any) -> float:
    """Seconds: sometimes shorter than a lease, mostly longer."""
    return world.lease * world.chance.choice((0.3, 0.6, 1.1, 1.5, 3.0))
