"""`savor persist`: weights for a saved model that only refers to the Hugging Face hub."""

from collections.abc import Sequence

from savor.server.cli.screen import open_screen
from savor.server.cli.workbench import trusting, workbench


def run(uri: str, allow: Sequence[str], tracking_uri: str | None) -> None:
    """Fetches the weights and stores them beside the model. Exits with 1 where that fails."""
    with workbench(tracking_uri, hub=True) as settings:
        from savor.server.persistence import persist

        persisted = persist(uri, trusting(allow), settings)
    screen = open_screen()
    if not persisted.uploaded:
        screen.note(f"{uri} has its weights already: nothing to do")
        return
    screen.note(f"{', '.join(persisted.uploaded)} are stored now in {persisted.place}")
