"""What the methods for texts return: labels, entities, tokens for masks, vectors and answers."""

from dataclasses import dataclass

from savor.client.replies import FamilyReply, ScoredLabel
from savor.client.tensor import Tensor


@dataclass(frozen=True)
class TextClassificationResult:
    """The labels of one text, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyTextReply(FamilyReply):
    """The labels of each text."""

    results: tuple[TextClassificationResult, ...]


@dataclass(frozen=True)
class TokenEntity:
    """A labelled piece of a text. `start` and `end` count code points, None where the tokenizer knows no offsets.

    `word` is the piece as the tokenizer writes it. `token_index` is the token's place in the encoded text, special
    tokens counted, and None where tokens are aggregated.
    """

    label: str
    score: float
    word: str
    start: int | None
    end: int | None
    token_index: int | None


@dataclass(frozen=True)
class TokenClassificationResult:
    """The entities of one text, in its order."""

    entities: tuple[TokenEntity, ...]


@dataclass(frozen=True)
class ClassifyTokensReply(FamilyReply):
    """The entities of each text."""

    results: tuple[TokenClassificationResult, ...]


@dataclass(frozen=True)
class ZeroShotClassificationResult:
    """All labels of the request, best first for one text."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyZeroShotReply(FamilyReply):
    """The labels of the request with their scores for each text."""

    results: tuple[ZeroShotClassificationResult, ...]


@dataclass(frozen=True)
class MaskCandidate:
    """A token that may stand in the place of a mask, its probability, and the text with the token in that place."""

    token: str
    token_id: int
    score: float
    sequence: str


@dataclass(frozen=True)
class FilledMask:
    """One mask with its candidates, best first."""

    candidates: tuple[MaskCandidate, ...]


@dataclass(frozen=True)
class FillMaskResult:
    """The masks of one text, in its order."""

    masks: tuple[FilledMask, ...]


@dataclass(frozen=True)
class FillMaskReply(FamilyReply):
    """The masks of each text."""

    results: tuple[FillMaskResult, ...]


@dataclass(frozen=True)
class FeatureExtractionResult:
    """The token vectors of one text: shape (tokens, hidden), float32."""

    features: Tensor


@dataclass(frozen=True)
class ExtractFeaturesReply(FamilyReply):
    """The token vectors of each text."""

    results: tuple[FeatureExtractionResult, ...]


@dataclass(frozen=True)
class TextEmbedding:
    """The vector of one text, and how many tokens the model read, special tokens included."""

    values: tuple[float, ...]
    token_count: int


@dataclass(frozen=True)
class EmbedTextReply(FamilyReply):
    """The vector of each text."""

    results: tuple[TextEmbedding, ...]


@dataclass(frozen=True)
class Answer:
    """A piece of the context, empty for "there is no answer"; `start` and `end` count code points of the context."""

    text: str
    score: float
    start: int
    end: int


@dataclass(frozen=True)
class QuestionAnsweringResult:
    """The answers to one question, best first; fewer than asked for where the context has fewer."""

    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class AnswerQuestionReply(FamilyReply):
    """The answers to each question."""

    results: tuple[QuestionAnsweringResult, ...]


@dataclass(frozen=True)
class CellCoordinate:
    """A cell's place, row and column from 0; the column names are no row."""

    row: int
    column: int


@dataclass(frozen=True)
class TableQuestionAnsweringResult:
    """The answer to one question, what is to be done with the cells ("SUM", "NONE", …), the cells and their places.

    Where the model writes its answer instead of choosing cells there are none; `aggregator` may be empty.
    """

    answer: str
    aggregator: str
    cells: tuple[str, ...]
    coordinates: tuple[CellCoordinate, ...]


@dataclass(frozen=True)
class AnswerTableQuestionReply(FamilyReply):
    """The answer to each question about the table."""

    results: tuple[TableQuestionAnsweringResult, ...]
