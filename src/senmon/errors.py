"""Every exception that senmon raises on purpose.

SenmonError                       code, remedy
├── ConfigError                   a setting is missing or wrong
├── PackError
│   ├── PackInvalid               all problems of a pack at once
│   ├── PackNotFound
│   ├── PackExists
│   ├── ArticleNotFound
│   └── PackCodeNotAllowed        the operator has not allowed this pack's Python
├── DataInvalid                   all problems of a dataset or an import at once
├── BaseError
│   ├── BaseNotFound
│   └── BaseCorrupt               digest differs from the published one
├── RenderError
│   ├── TemplateUnfit             not append-only, or masks can't be derived
│   ├── NothingToLearn            an example without a supervised token
│   └── PromptTooLong
├── AdapterError
│   ├── AdapterNotFound
│   ├── AdapterCorrupt            files differ from the version digest
│   └── AdapterMismatch           tuned for another base
├── TuningError
│   ├── TuningDiverged
│   └── TuningInProgress          another process tunes this pack
├── GateFailed                    a candidate may not be promoted or released
├── EngineError
│   ├── EngineBusy                the queue is full: retry_after seconds
│   └── EngineUnavailable
├── ActionError
│   ├── ActionUnknown
│   ├── ActionRejected            bad arguments, or the action refused to run
│   ├── ActionDenied              needs an identity that the caller has not proved
│   └── ActionFailed              raised, timed out or answered garbage
├── StoreError
│   ├── StateLocked               another server owns this state
│   ├── LeaseLost                 another server took this run over
│   ├── SharedStateGone           Redis, which the servers share, can't be reached
│   ├── ConversationNotFound
│   ├── RunNotFound
│   ├── HandoverNotFound
│   ├── HandoverConflict          another person has it, or it is over
│   ├── SiteNotFound
│   ├── StaffNotFound             nobody of the console has this name
│   ├── WebhookNotFound
│   ├── AlreadyRated              a conversation is rated once
│   └── RunConflict               same client_id with another text, or a run is under way
│       └── PersonSpeaks          a person has joined: the assistant stays silent
├── Unparsable                    text is not maths within the grammar's limits
├── RequestInvalid                a request that can't be understood: param names the culprit
├── RouterUnfit                   a saved router is damaged, or made for other packs or another encoder
└── AccessError
    ├── Unauthenticated
    │   ├── IdentityRequired      the site answers signed-in customers only
    │   └── RefreshRefused        a refresh token is unknown, expired, or was used before
    ├── Forbidden
    │   └── OriginRefused         the page's origin is not one of the site's
    └── RateLimited               retry_after seconds
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in somebody's file: where it is, what is wrong, what to do about it.

    `line` counts from 1; 0 means the file as a whole. `field` is a dotted path within the record.
    """

    path: str
    line: int
    field: str
    why: str
    remedy: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        field = f" [{self.field}]" if self.field else ""
        remedy = f" → {self.remedy}" if self.remedy else ""
        return f"{place}{field}: {self.why}{remedy}"


class SenmonError(Exception):
    """Root of the tree. `code` is stable and machine-readable; `remedy` says what to do next."""

    code: ClassVar[str] = "senmon_error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} → {self.remedy}" if self.remedy else self.message


class ProblemsError(SenmonError):
    """Base of errors that report many problems together."""

    def __init__(self, message: str, problems: Iterable[Problem], *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [super().__str__(), *(f"  {problem}" for problem in self.problems)]
        return "\n".join(lines)


class ConfigError(SenmonError):
    code = "config_error"


class PackError(SenmonError):
    code = "pack_error"


class PackInvalid(PackError, ProblemsError):
    code = "pack_invalid"


class PackNotFound(PackError):
    code = "pack_not_found"


class PackExists(PackError):
    code = "pack_exists"


class PackCodeNotAllowed(PackError):
    code = "pack_code_not_allowed"


class DataInvalid(ProblemsError):
    code = "data_invalid"


class ArticleNotFound(PackError):
    code = "article_not_found"


class BaseError(SenmonError):
    code = "base_error"


class BaseNotFound(BaseError):
    code = "base_not_found"


class BaseCorrupt(BaseError):
    code = "base_corrupt"


class RenderError(SenmonError):
    code = "render_error"


class TemplateUnfit(RenderError):
    code = "template_unfit"


class NothingToLearn(RenderError):
    code = "nothing_to_learn"


class PromptTooLong(RenderError):
    code = "prompt_too_long"


class AdapterError(SenmonError):
    code = "adapter_error"


class AdapterNotFound(AdapterError):
    code = "adapter_not_found"


class AdapterCorrupt(AdapterError):
    code = "adapter_corrupt"


class AdapterMismatch(AdapterError):
    code = "adapter_mismatch"


class TuningError(SenmonError):
    code = "tuning_error"


class TuningDiverged(TuningError):
    code = "tuning_diverged"


class TuningInProgress(TuningError):
    code = "tuning_in_progress"


class GateFailed(SenmonError):
    code = "gate_failed"


class EngineError(SenmonError):
    code = "engine_error"


class EngineBusy(EngineError):
    code = "engine_busy"

    def __init__(self, message: str, *, retry_after: float = 1.0, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class EngineUnavailable(EngineError):
    code = "engine_unavailable"


class ActionError(SenmonError):
    code = "action_error"


class ActionUnknown(ActionError):
    code = "action_unknown"


class ActionRejected(ActionError):
    code = "action_rejected"

    def __init__(self, message: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.field = field


class ActionDenied(ActionError):
    code = "action_denied"


class ActionFailed(ActionError):
    code = "action_failed"


class StoreError(SenmonError):
    code = "store_error"


class StateLocked(StoreError):
    code = "state_locked"


class LeaseLost(StoreError):
    code = "lease_lost"


class SharedStateGone(StoreError):
    code = "shared_state_gone"


class ConversationNotFound(StoreError):
    code = "conversation_not_found"


class RunNotFound(StoreError):
    code = "run_not_found"


class HandoverNotFound(StoreError):
    code = "handover_not_found"


class HandoverConflict(StoreError):
    code = "handover_conflict"


class SiteNotFound(StoreError):
    code = "site_not_found"


class StaffNotFound(StoreError):
    code = "staff_not_found"


class WebhookNotFound(StoreError):
    code = "webhook_not_found"


class AlreadyRated(StoreError):
    code = "already_rated"


class RunConflict(StoreError):
    code = "run_conflict"


class PersonSpeaks(RunConflict):
    code = "person_speaks"


class Unparsable(SenmonError):
    code = "unparsable"


class RequestInvalid(SenmonError):
    code = "request_invalid"

    def __init__(self, message: str, *, param: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.param = param


class RouterUnfit(SenmonError):
    code = "router_unfit"


class AccessError(SenmonError):
    code = "access_error"


class Unauthenticated(AccessError):
    code = "unauthenticated"


class IdentityRequired(Unauthenticated):
    code = "identity_required"


class RefreshRefused(Unauthenticated):
    code = "refresh_refused"


class Forbidden(AccessError):
    code = "forbidden"


class OriginRefused(Forbidden):
    code = "origin_refused"


class RateLimited(AccessError):
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float = 1.0, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after
