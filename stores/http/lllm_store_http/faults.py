"""What a store behind HTTP makes of broken connections: another try, or an error of the contract."""

from __future__ import annotations

from dataclasses import dataclass

from lllm.errors import SSSNError
from lllm_store_http.connections import connection_errors

__all__ = ["Faults"]

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Faults:
    """Decides about failed tries of one store.

    Args:
        base_url: URL of the server, for the texts.
        timeout: Longest wait for the server, in seconds, for the texts.
        retries: How many further tries there are.
    """

    base_url: str
    timeout: float | None
    retries: int

    def pause(self, error: Exception, tries: int, *, repeatable: bool) -> float:
        """Return how long to pause before the next try, in seconds.

        Args:
            error: What httpx raised.
            tries: How many tries have failed, this one included.
            repeatable: Whether the request may reach the server twice.

        Raises:
            SSSNError: There is no next try.
        """
        unreached, slow, _ = connection_errors()
        again = isinstance(error, unreached) or (repeatable and not isinstance(error, slow))
        if tries > self.retries or not again:
            raise self.final(error) from error
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (tries - 1))

    def final(self, error: Exception) -> SSSNError:
        """Return the error of the contract for what httpx raised.

        Args:
            error: What httpx raised.
        """
        unreached, slow, _ = connection_errors()
        if isinstance(error, slow):
            return SSSNError(f"the server at {self.base_url} did not answer within {self.timeout} seconds")
        if isinstance(error, unreached):
            return SSSNError(f"the server at {self.base_url} cannot be reached: {error}")
        return SSSNError(
            f"the connection to the server at {self.base_url} broke: {str(error) or type(error).__name__}"
        )
