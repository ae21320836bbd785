"""A snapshot of a gallery on a server, by this process's copy."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from facerec_cli.encoders.cohort import Cohort
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.gallery.base import Record
from facerec_cli.gallery.cohort import cohort_of
from facerec_cli.gallery.index import Index
from facerec_cli.gallery.postgres.connecting import Server
from facerec_cli.gallery.postgres.copy import Copy, State
from facerec_cli.gallery.postgres.packing import integers, vectors
from facerec_cli.gallery.segment import Rows, Segment
from facerec_cli.gallery.snapshot import IndexSnapshot

_PAGE = 4096
"""Most embeddings brought at once."""
_EMBEDDINGS = """
select string_agg(int8send(face), ''), string_agg(vector_send(embedding), '')
from embedding where digest = %s and face = any(%s)
"""


class CopySnapshot(IndexSnapshot):
    """What the copy answers; embeddings are brought from the server, a page at a time.

    Of who has been forgotten since, later pages of ``records`` lack the embedding.
    """

    def __init__(self, server: Server, copy: Copy, state: State) -> None:
        """Look at a state of a copy."""
        super().__init__(server.location.shown, state.index)
        self._server = server
        self._copy = copy
        self._state = state

    @property
    def version(self) -> Hashable:
        return self._state.history, self._state.version

    def known_by(self, digest: str) -> Index:
        if digest not in self._state.digests:
            self._state = self._copy.with_model(self._state, digest)
        return self._state.index

    def records(self, digest: str) -> Iterator[Record]:
        records = self.known_by(digest).records(digest)
        while page := list(islice(records, _PAGE)):
            known = self._embeddings(digest, [record.face.id for record in page])
            yield from (replace(record, embedding=known.get(record.face.id)) for record in page)

    def cohort(self, digest: str) -> Cohort:
        def embeddings_of(looked_at: Sequence[tuple[Segment, Rows]]) -> Embeddings:
            known = self._embeddings(digest, [n for one, rows in looked_at for n in one.faces["id"][rows].tolist()])
            # Whoever has been forgotten since is as they are remembered here.
            means = ((one, row, one.templates[digest][one.owner[row]]) for one, rows in looked_at for row in rows)
            return np.stack([known.get(int(one.faces["id"][row]), mean) for one, row, mean in means])

        return cohort_of(self.known_by(digest).segments, digest, embeddings_of)

    def _embeddings(self, digest: str, faces: Sequence[int]) -> dict[int, Embedding]:
        ids, packed = self._server.row(_EMBEDDINGS, [digest, faces])
        return dict(zip(integers(ids).tolist(), vectors(packed), strict=True))
