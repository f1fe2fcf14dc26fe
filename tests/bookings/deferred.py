"""The jobs that a transaction has deferred, and running them as the worker would."""

from __future__ import annotations

from typing import Any

from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob


def deferred(task: str) -> list[ProcrastinateJob]:
    """The jobs of one task that wait, the oldest first."""
    return list(ProcrastinateJob.objects.filter(task_name=task).order_by("id"))


def run(task: str) -> list[Any]:
    """Run each waiting job of a task once, whenever it is scheduled for; what each returned."""
    return [app.tasks[job.task_name].func(**job.args) for job in deferred(task)]
