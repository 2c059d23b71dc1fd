"""The formulas of the methods as pure functions: float tensors in, float tensors out.

A file a family; every name is imported from here.
"""

from methods.functional.attention import (
    attention_consistency,
    class_attention_maps,
    gradient_attention_maps,
)
from methods.functional.focal import (
    focal_loss,
    sigmoid_focal_loss,
)
from methods.functional.margins import (
    cosine_logits,
    ldam_loss,
    ldam_margins,
)
from methods.functional.mixing import (
    mixup,
    mixup_targets,
    remix_lambda,
    uncertainty_mixup,
)
from methods.functional.noise import (
    rank_regularization,
    relabel,
)
from methods.functional.prior import (
    balanced_softmax_loss,
    logit_adjusted_loss,
    logit_adjustment,
    tau_normalized,
    tau_normalized_logits,
    vector_scaling,
    vector_scaling_loss,
)
from methods.functional.ramps import (
    bilateral_alpha,
    decay_over,
    deferral_start,
    ema_decay,
    sigmoid_rampup,
)
from methods.functional.sampling import (
    progressive_sampling_probabilities,
    reversed_sampling_probabilities,
    sampling_probabilities,
)
from methods.functional.targets import (
    label_aware_smoothing,
    rebalanced_smooth_labels,
    smooth_labels,
    soft_cross_entropy,
    soft_label_smoothing,
)
from methods.functional.weights import (
    deferred_stages,
    deferred_weights,
    effective_number_weights,
    inverse_frequency_weights,
    powered_weights,
    weighted_cross_entropy,
)

__all__ = [
    "attention_consistency",
    "balanced_softmax_loss",
    "bilateral_alpha",
    "class_attention_maps",
    "cosine_logits",
    "decay_over",
    "deferral_start",
    "deferred_stages",
    "deferred_weights",
    "effective_number_weights",
    "ema_decay",
    "focal_loss",
    "gradient_attention_maps",
    "inverse_frequency_weights",
    "label_aware_smoothing",
    "ldam_loss",
    "ldam_margins",
    "logit_adjusted_loss",
    "logit_adjustment",
    "mixup",
    "mixup_targets",
    "powered_weights",
    "progressive_sampling_probabilities",
    "rank_regularization",
    "rebalanced_smooth_labels",
    "relabel",
    "remix_lambda",
    "reversed_sampling_probabilities",
    "sampling_probabilities",
    "sigmoid_focal_loss",
    "sigmoid_rampup",
    "smooth_labels",
    "soft_cross_entropy",
    "soft_label_smoothing",
    "tau_normalized",
    "tau_normalized_logits",
    "uncertainty_mixup",
    "vector_scaling",
    "vector_scaling_loss",
    "weighted_cross_entropy",
]
