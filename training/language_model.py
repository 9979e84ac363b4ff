"""What a pre-trained language model reads in a window: one state a word, for teachers alone.

Of `transformers`, which nothing that is served needs.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from ner_service.errors import ConfigError

_MOST_PIECES = 8
"""Of one word: what is longer is no word, and would push others out of the model's reach."""


class WordPieces(nn.Module):
    """The pieces of every word type, and where they stand in a batch of windows."""

    _counts: Tensor
    _begins: Tensor
    _pieces: Tensor

    def __init__(self, words: Sequence[str], tokenizer: object) -> None:
        """Cut `words`, those of the types from 1 on; a boundary is the separator."""
        super().__init__()
        self.begin_id, self.separator_id, self.padding_id, unknown_id = (
            int(getattr(tokenizer, f"{name}_token_id")) for name in ("cls", "sep", "pad", "unk")
        )
        cut = tokenizer(list(words), add_special_tokens=False)["input_ids"]  # type: ignore[operator]
        lists = [[self.separator_id], *(ids[:_MOST_PIECES] or [unknown_id] for ids in cut)]
        counts = [len(ids) for ids in lists]
        # They go where the model goes, once, and follow from the words: no weights.
        for name, numbers in (
            ("_counts", counts),
            ("_begins", [0, *accumulate(counts[:-1])]),
            ("_pieces", [piece for ids in lists for piece in ids]),
        ):
            self.register_buffer(name, torch.tensor(numbers), persistent=False)

    def lay_out(self, types: Tensor, mask: Tensor, *, longest: int) -> tuple[Tensor, Tensor]:
        """Piece ids of windows, and where each slot's first piece stands.

        Args:
            types: (B, T) int64 word types.
            mask: (B, T) bool, True for real slots.
            longest: pieces a window at most; what stands behind is not read.

        Returns:
            (B, L) int64 and (B, T) int64, on the device of `types`.
        """
        device = types.device
        counts = self._counts[types] * mask
        first = 1 + counts.cumsum(dim=1) - counts
        flat = counts.flatten()
        slots = torch.repeat_interleave(torch.arange(flat.numel(), device=device), flat)
        within = torch.arange(len(slots), device=device) - (flat.cumsum(dim=0) - flat)[slots]
        pieces = self._pieces[self._begins[types.flatten()[slots]] + within]
        columns = first.flatten()[slots] + within
        totals = counts.sum(dim=1)
        width = min(longest, int(totals.max()) + 2)
        ids = torch.full((len(types), width), self.padding_id, device=device)
        ids[:, 0] = self.begin_id
        read = columns < width
        ids[slots[read] // types.shape[1], columns[read]] = pieces[read]
        ends = (totals + 1).clamp(max=width - 1)
        ids[torch.arange(len(types), device=device), ends] = self.separator_id
        return ids, first.clamp(max=width - 1)


class LanguageModel(nn.Module):
    """A pre-trained encoder's state at the first piece of every slot."""

    def __init__(self, source: str, words: Sequence[str], *, layers: int | None = None) -> None:
        """Load a folder, or a name on the Hugging Face Hub, and keep its first `layers` layers.

        Raises:
            ConfigError: `transformers` is missing or has no such model.
        """
        super().__init__()
        try:
            from transformers import AutoModel, AutoTokenizer

            self.pieces = WordPieces(words, AutoTokenizer.from_pretrained(source))
            options = {} if layers is None else {"num_hidden_layers": layers}
            # It comes as it is used, not as it learns: without dropout.
            self.encoder = AutoModel.from_pretrained(source, **options).train()
        except (ImportError, OSError, ValueError) as error:
            raise ConfigError(
                f"language model {source}: expected one that transformers loads ({error})"
            ) from None
        self.width: int = self.encoder.config.hidden_size
        # MPNet's and RoBERTa's positions begin behind the padding's.
        self._longest: int = self.encoder.config.max_position_embeddings - 2

    def forward(self, types: Tensor, mask: Tensor) -> Tensor:
        """Word types (B, T) and mask (B, T) to states (B, T, width)."""
        ids, first = self.pieces.lay_out(types, mask, longest=self._longest)
        on_gpu = types.device.type == "cuda"
        with torch.autocast(types.device.type, dtype=torch.bfloat16, enabled=on_gpu):
            read = self.encoder(
                input_ids=ids, attention_mask=(ids != self.pieces.padding_id).long()
            )
        states: Tensor = read.last_hidden_state.float()
        return states.gather(1, first.unsqueeze(2).expand(-1, -1, self.width))
