"""A Procrastinate worker in a thread of the checker, so that mails and refunds need no service of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import structlog
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

log = structlog.get_logger(__name__)

CONCURRENCY = 4
POLL_S = 2.0  # the worker listens as well; this is for notices that were lost
FINISH_WITHIN_S = 7.0
RESTART_S = 2.0


class Worker(threading.Thread):
    """Runs jobs until `stop`; a database that goes away is tried again every few seconds."""

    def __init__(self) -> None:
        super().__init__(name="jobs", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more jobs; those that run have some seconds to finish. Wait for it with `join`.

        From any thread or signal handler; safe to repeat.
        """
        if not self._loop.is_closed():
            with suppress(RuntimeError):  # it closed this moment
                self._loop.call_soon_threadsafe(self._stopping.set)

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        stopped = asyncio.create_task(self._stopping.wait())
        while not stopped.done():
            # What defers periodic jobs uses Django's connection and never asks whether it has survived.
            await sync_to_async(close_old_connections)()
            jobs = asyncio.create_task(self._run_jobs())
            await asyncio.wait({jobs, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                jobs.cancel()  # Procrastinate takes this as the wish to shut down in order
            try:
                await jobs
                log.warning("the worker for jobs ended; starting it again")
                await asyncio.wait({stopped}, timeout=RESTART_S)
            except asyncio.CancelledError:
                return
            except (ConnectorException, OperationalError, PoolTimeout) as error:
                log.warning("jobs cannot be fetched; trying again", error=str(error).strip())
                await asyncio.wait({stopped}, timeout=RESTART_S)
            except Exception:
                log.exception("the worker for jobs failed; starting it again")
                await asyncio.wait({stopped}, timeout=RESTART_S)

    async def _run_jobs(self) -> None:
        # A copy with a connector of its own: `replace_connector` would change the app under the sweep, whose
        # jobs must go through Django's connection to be part of the settling transaction.
        connector = cast(DjangoConnector, app.connector).get_worker_connector()
        async with app.with_connector(connector).open_async() as worker_app:
            await worker_app.run_worker_async(
                concurrency=CONCURRENCY,
                install_signal_handlers=False,
                fetch_job_polling_interval=POLL_S,
                shutdown_graceful_timeout=FINISH_WITHIN_S,
                delete_jobs="successful",
                worker_middleware=[_named],
            )


async def _named(run: Callable[[], Awaitable[Any]], context: JobContext, worker: Any) -> Any:
    """Every line that a job logs says which job: the line that told of its deferral says which request."""
    job = f"{context.job.task_name}[{context.job.id}]"
    with structlog.contextvars.bound_contextvars(job=job):
        return await run()
