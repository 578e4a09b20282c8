"""Training of the demo's two small models from scratch: `python -m search.demo.trainer.training`."""

from __future__ import annotations

import json
import math
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its conventional name
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    DistilBertConfig,
    DistilBertModel,
)  # fmt: skip

from search.demo import IMAGE_MODEL, TEXT_MODEL
from search.demo.trainer import model_evaluation
from search.demo.trainer.drawings import PATCH, Drawings
from search.demo.trainer.saving import save_image_model, save_text_model
from search.demo.trainer.tokenizer import MAX_TOKENS, SPECIAL, learn_tokenizer, wrap_tokenizer
from search.demo.trainer.training_data import CLASSES, NOTHING, PIXELS, sample_captions, sensible_captions

VISION_WIDTH = 128
_FIGURES = Path(__file__).parent / "figures.json"


@dataclass(frozen=True, slots=True)
class Recipe:
    """All hyperparameters of the training."""

    seed: int = 20
    drawings: int = 14_000
    steps: int = 3_000
    batch: int = 64
    captions: int = 128
    vision_rate: float = 8e-4
    words_rate: float = 1.5e-3
    teacher_rate: float = 3e-3
    vocabulary: int = 1_500
    dimensions: int = 512


class Words(nn.Module):
    """DistilBERT, mean pooling, and a linear projection into the common space."""

    def __init__(self, vocabulary: int, dimensions: int) -> None:
        super().__init__()
        self.bert = DistilBertModel(
            DistilBertConfig(
                vocab_size=vocabulary, max_position_embeddings=MAX_TOKENS, dim=96, n_heads=4, n_layers=2,
                hidden_dim=256, dropout=0.0, attention_dropout=0.0, pad_token_id=0,
            )
        )  # fmt: skip
        self.dense = nn.Linear(96, dimensions, bias=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        tokens = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(tokens.dtype)
        vectors: Tensor = self.dense((tokens * weights).sum(1) / weights.sum(1))
        return F.normalize(vectors, dim=-1)


def build_clip(vocabulary: int, dimensions: int) -> CLIPModel:
    """Return an untrained CLIP of about a million parameters."""
    vision = CLIPVisionConfig(
        image_size=PIXELS, patch_size=PATCH, hidden_size=VISION_WIDTH, intermediate_size=512, num_hidden_layers=4,
        num_attention_heads=4, hidden_act="relu",
    )  # fmt: skip
    text = CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=MAX_TOKENS, pad_token_id=SPECIAL.index("[PAD]"),
        bos_token_id=SPECIAL.index("[CLS]"), eos_token_id=SPECIAL.index("[SEP]"),
    )  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=dimensions))


@torch.no_grad()
def prepare_vision(clip: CLIPModel, pixels: Tensor) -> None:
    """Initialise the image tower so that it learns in a few thousand steps.

    CLIP starts with random filters and weak position embeddings. Here the filters are the principal components of the
    drawings' own patches, whitened: shapes are recognised by edges, which vary far less than plain colours and would
    be dominated by them. `pixels` are normalised pictures, shape (n, 3, PIXELS, PIXELS).
    """
    embeddings = clip.vision_model.embeddings
    filters, positions = embeddings.patch_embedding.weight, embeddings.position_embedding.weight
    patches = F.unfold(pixels, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1)
    middle = patches.mean(0)
    strengths, components = torch.linalg.eigh((patches - middle).T @ (patches - middle) / len(patches))
    strongest = components[:, -len(filters) :] / strengths[-len(filters) :].sqrt()
    filters.copy_(0.7 * strongest.T.reshape(filters.shape))
    positions[1:] = _position_waves(PIXELS // PATCH, positions.shape[1]) - 0.7 * middle @ strongest
    for layer in clip.vision_model.encoder.layers:
        # Attention starts focused instead of uniform.
        layer.self_attn.q_proj.weight.mul_(2)
        layer.self_attn.k_proj.weight.mul_(2)


def _position_waves(side: int, width: int) -> Tensor:
    """Return sinusoidal embeddings of each patch's column and row, shape (side * side, width)
    (https://arxiv.org/abs/2205.01580)."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    frequencies = 1 / 10 ** (torch.arange(width // 4) / (width // 4 - 1))
    angles = torch.stack([columns, rows]).flatten(1).unsqueeze(-1) * frequencies
    return 0.8 * torch.cat([angles[0].sin(), angles[0].cos(), angles[1].sin(), angles[1].cos()], dim=1)


class Teacher(nn.Module):
    """An auxiliary classifier of attributes on the image tower, used only in training.

    All six are predicted from the pooled output; shape and colour from every patch on a shape; and from all patches
    whether they are on one. This lets so small a tower learn in so few steps.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.whole = nn.ModuleList(nn.Linear(width, classes) for classes in CLASSES)
        self.parts = nn.ModuleList(nn.Linear(width, classes) for classes in CLASSES[:2])
        self.inside = nn.Linear(width, 2)

    def forward(self, pooled: Tensor, patches: Tensor, shown: Tensor, covered: Tensor) -> Tensor:
        """Return the summed loss; `covered` says which patches are inside a shape and which contain its centre."""
        inside, central = covered.unbind(-1)
        losses = [F.cross_entropy(head(pooled), shown[:, column]) for column, head in enumerate(self.whole)]
        for column, head in enumerate(self.parts):
            right = shown[:, column].unsqueeze(1).expand_as(inside)[inside]
            losses.append(F.cross_entropy(head(patches[inside]), right))
        asked = torch.stack([inside, central], -1).float()
        losses.append(2 * F.binary_cross_entropy_with_logits(self.inside(patches), asked))
        return torch.stack(losses).sum()


def truth_of(stated: Tensor, shown: Tensor) -> Tensor:
    """Return a boolean matrix of which caption (row) is true of which picture (column), from their attributes."""
    return ((stated.unsqueeze(1) == shown.unsqueeze(0)) | (stated == NOTHING).unsqueeze(1)).all(-1)


def matching_loss(cosines: Tensor, truth: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Return the loss of captions (rows) in ranking and classifying pictures (columns).

    Ranking: the multi-positive softmax of supervised contrastive learning (https://arxiv.org/abs/2004.11362, eq. 2).
    Classification: SigLIP's sigmoid (https://arxiv.org/abs/2303.15343), with equal weight for true and false pairs.
    """
    asked = truth.any(1)
    ranks = F.log_softmax(cosines[asked] * scale, dim=1)
    ranking = -((ranks * truth[asked]).sum(1) / truth[asked].sum(1)).mean()
    logits = cosines * scale + bias
    return ranking + F.softplus(-logits[truth]).mean() + F.softplus(logits[~truth]).mean()


class Training:
    """The models, their optimiser, and the training steps."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.rng = random.Random(recipe.seed + 1)
        self.drawings = Drawings(recipe.drawings, recipe.seed)
        pieces = learn_tokenizer(sensible_captions(self.drawings.scenes, 40_000, self.rng), recipe.vocabulary)
        self.tokenizer = wrap_tokenizer(pieces)
        self.words = Words(len(self.tokenizer), recipe.dimensions)
        self.clip = build_clip(len(self.tokenizer), recipe.dimensions)
        prepare_vision(self.clip, torch.from_numpy(self.drawings.sample(500)))
        self.teacher = Teacher(VISION_WIDTH)
        self.scale, self.bias = nn.Parameter(torch.tensor(12.0)), nn.Parameter(torch.tensor(-6.0))
        self.optimiser = torch.optim.AdamW(self._groups(), betas=(0.9, 0.98), weight_decay=0.03)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)

    def _groups(self) -> list[dict[str, Any]]:
        """Return the weights with their learning rates: a higher one for the image tower would destroy its
        initialisation."""
        clip, recipe = self.clip, self.recipe
        vision = [*clip.vision_model.parameters(), *clip.visual_projection.parameters()]
        words = [*self.words.parameters(), *clip.text_model.parameters(), *clip.text_projection.parameters()]
        return [
            {"params": vision, "lr": recipe.vision_rate},
            {"params": words, "lr": recipe.words_rate},
            {"params": list(self.teacher.parameters()), "lr": recipe.teacher_rate},
            {"params": [self.scale, self.bias], "lr": 0.02, "weight_decay": 0.0},
        ]

    def _rate(self, step: int) -> float:
        """Linear warm-up over 80 steps, then cosine decay to zero."""
        return min((step + 1) / 80, 0.5 * (1 + math.cos(math.pi * step / self.recipe.steps)))

    def encode(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return unit vectors of the DistilBERT and of CLIP's own text tower, shape (len(texts), 512) each."""
        tokens = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        pooled = self.clip.text_model(input_ids=ids, attention_mask=mask).pooler_output
        return self.words(ids, mask), F.normalize(self.clip.text_projection(pooled), dim=-1)

    def step(self) -> tuple[float, float]:
        """Train on one batch; return the losses of matching and of attributes."""
        batch = self.drawings.batch(self.recipe.batch)
        shown, covered = torch.from_numpy(batch.shown), torch.from_numpy(batch.covered)
        texts, stated = sample_captions(batch.scenes, self.recipe.captions, self.rng)
        words, own_words = self.encode(texts)
        seen = self.clip.vision_model(pixel_values=torch.from_numpy(batch.pixels))
        pictures = F.normalize(self.clip.visual_projection(seen.pooler_output), dim=-1)
        truth = truth_of(torch.from_numpy(stated), shown)
        matching = matching_loss(words @ pictures.T, truth, self.scale, self.bias)
        naming = self.teacher(seen.pooler_output, seen.last_hidden_state[:, 1:], shown, covered)
        # CLIP's own text tower only imitates the DistilBERT.
        copying = 1 - (own_words * words.detach()).sum(1).mean()
        self.optimiser.zero_grad()
        (matching + 0.5 * naming + copying).backward()
        for group in self.optimiser.param_groups[:2]:
            nn.utils.clip_grad_norm_(group["params"], 1.0)
        self.optimiser.step()
        self.schedule.step()
        return matching.item(), naming.item()

    def run(self) -> None:
        """Run all steps, printing the losses every hundred."""
        for number in range(1, self.recipe.steps + 1):
            matching, naming = self.step()
            if number % 100 == 0:
                losses = f"matching {matching:.3f}, naming {naming:.3f}"
                print(f"step {number:5} of {self.recipe.steps}: {losses}", flush=True)

    def save(self, image_folder: Path, text_folder: Path) -> None:
        """Save both models to their folders."""
        self.clip.logit_scale.data.fill_(math.log(float(self.scale.detach())))
        save_image_model(self.clip, self.tokenizer, image_folder)
        save_text_model(self.words.bert, self.words.dense, self.tokenizer, text_folder)


def measure(image_folder: Path, text_folder: Path) -> dict[str, Any]:
    """Return precision@10 by language and mean cosines, measured on the saved folders."""
    images, texts = model_evaluation.load(image_folder), model_evaluation.load(text_folder)
    gallery = model_evaluation.hang_gallery(images, seed=77)
    true, unrelated = model_evaluation.mean_cosines(texts, gallery)
    return {
        "pictures_ranked": len(gallery.scenes),
        "precision_at_10_unseen": model_evaluation.precision_by_language(texts, gallery, unseen=True),
        "precision_at_10_seen": model_evaluation.precision_by_language(texts, gallery, unseen=False),
        "mean_cosine_true": round(true, 3),
        "mean_cosine_unrelated": round(unrelated, 3),
        "half_size_copies_found": round(model_evaluation.copies_found(images, gallery), 3),
    }


def main() -> None:
    """Draw, train, save, measure."""
    recipe = Recipe()
    started = time.monotonic()
    training = Training(recipe)
    training.run()
    minutes = round((time.monotonic() - started) / 60, 1)
    training.save(IMAGE_MODEL, TEXT_MODEL)
    folders = (IMAGE_MODEL, TEXT_MODEL)
    sizes = {
        folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) for folder in folders
    }
    report = {"recipe": asdict(recipe), "minutes": minutes, "bytes": sizes, **measure(*folders)}
    _FIGURES.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
