//! Kinds: every problem that a service can answer, said once. Handlers answer with them, and the
//! documents list them.

use axum::http::StatusCode;

/// One kind of problem. Its name is stable: programs match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The HTTP status.
    pub status: StatusCode,
    /// The name, for example `outcome-unknown`.
    pub code: &'static str,
    /// What it says, for whoever reads the documents.
    pub meaning: &'static str,
}

const fn kind(status: StatusCode, code: &'static str, meaning: &'static str) -> Kind {
    Kind { status, code, meaning }
}

pub(crate) const BAD_HOST: &Kind =
    &kind(StatusCode::BAD_REQUEST, "bad-host", "The request does not say which host it is for.");
pub(crate) const BAD_IDEMPOTENCY_KEY: &Kind = &kind(
    StatusCode::BAD_REQUEST,
    "bad-idempotency-key",
    "The idempotency key is not one header of 1 to 255 visible ASCII characters.",
);
pub(crate) const BODY_DAMAGED: &Kind =
    &kind(StatusCode::BAD_REQUEST, "body-damaged", "The compressed body cannot be decompressed.");
pub(crate) const BODY_NOT_READ: &Kind =
    &kind(StatusCode::BAD_REQUEST, "body-not-read", "The body could not be read to its end.");
pub(crate) const BODY_TOO_SLOW: &Kind =
    &kind(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body did not arrive in time.");
pub(crate) const CROSS_SITE: &Kind = &kind(
    StatusCode::FORBIDDEN,
    "cross-site",
    "Another site's page sent this; send it from this site or from a program.",
);
pub(crate) const HEADERS_TOO_LARGE: &Kind = &kind(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers-too-large",
    "The request has more header lines, or longer ones, than are taken.",
);
pub(crate) const ID_REUSED: &Kind = &kind(
    StatusCode::UNPROCESSABLE_ENTITY,
    "id-reused",
    "The `id` was given to another rating just now; nothing was sent.",
);
pub(crate) const INTERNAL_ERROR: &Kind = &kind(
    StatusCode::INTERNAL_SERVER_ERROR,
    "internal-error",
    "The service failed on this request; its log gives the reason.",
);
pub(crate) const INVALID_QUESTION: &Kind = &kind(
    StatusCode::UNPROCESSABLE_ENTITY,
    "invalid-question",
    "A parameter is wrong; `field` names it.",
);
pub(crate) const INVALID_RATING: &Kind = &kind(
    StatusCode::UNPROCESSABLE_ENTITY,
    "invalid-rating",
    "The rating is wrong; `field` names what of it.",
);
pub(crate) const INVALID_SIMULATION: &Kind = &kind(
    StatusCode::UNPROCESSABLE_ENTITY,
    "invalid-simulation",
    "The order or the change is wrong; `field` names what of it.",
);
pub(crate) const METHOD_NOT_ALLOWED: &Kind = &kind(
    StatusCode::METHOD_NOT_ALLOWED,
    "method-not-allowed",
    "The path does not answer to this method; `allow` names those it answers to.",
);
pub(crate) const MISDIRECTED: &Kind = &kind(
    StatusCode::MISDIRECTED_REQUEST,
    "misdirected",
    "A service on this machine alone was asked under another name.",
);
pub(crate) const NO_SIMULATION: &Kind =
    &kind(StatusCode::NOT_FOUND, "no-simulation", "No such simulation is remembered here.");
pub(crate) const NO_TOTALS: &Kind =
    &kind(StatusCode::NOT_FOUND, "no-totals", "This replica has no totals of such a partition.");
pub(crate) const NOT_A_FORM: &Kind =
    &kind(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-a-form", "A page takes the fields of its form.");
pub(crate) const NOT_COUNTED_YET: &Kind = &kind(
    StatusCode::SERVICE_UNAVAILABLE,
    "not-counted-yet",
    "The ratings asked for are not in the totals yet. Ask again.",
);
pub(crate) const NOT_FOUND: &Kind =
    &kind(StatusCode::NOT_FOUND, "not-found", "There is nothing at this path.");
pub(crate) const NOT_JSON: &Kind =
    &kind(StatusCode::BAD_REQUEST, "not-json", "The body is not JSON.");
pub(crate) const NOT_RUNNING: &Kind =
    &kind(StatusCode::CONFLICT, "not-running", "The simulation has ended.");
pub(crate) const OUTCOME_UNKNOWN: &Kind = &kind(
    StatusCode::GATEWAY_TIMEOUT,
    "outcome-unknown",
    "It may be on the queue or not: send it again with the same `id`.",
);
pub(crate) const PAGE_NOT_RENDERED: &Kind = &kind(
    StatusCode::INTERNAL_SERVER_ERROR,
    "page-not-rendered",
    "The page could not be made; the log says why.",
);
pub(crate) const QUEUE_UNAVAILABLE: &Kind = &kind(
    StatusCode::SERVICE_UNAVAILABLE,
    "queue-unavailable",
    "The queue is out of reach and nothing was sent. Try again.",
);
pub(crate) const REFUSED: &Kind = &kind(
    StatusCode::BAD_GATEWAY,
    "refused",
    "The queue refused; whoever runs the cluster can tell why.",
);
pub(crate) const STOPPING: &Kind = &kind(
    StatusCode::SERVICE_UNAVAILABLE,
    "stopping",
    "The service is stopping; another replica takes it.",
);
pub(crate) const TOKEN_NEEDED: &Kind = &kind(
    StatusCode::UNAUTHORIZED,
    "token-needed",
    "Whoever writes here needs a token, and none was shown.",
);
pub(crate) const TOKEN_REFUSED: &Kind = &kind(
    StatusCode::UNAUTHORIZED,
    "token-refused",
    "The token that was shown is none of those that may write.",
);
pub(crate) const TOO_BUSY: &Kind = &kind(
    StatusCode::TOO_MANY_REQUESTS,
    "too-busy",
    "The queue works, and as much is on its way as may be: send more slowly.",
);
pub(crate) const TOO_LARGE: &Kind =
    &kind(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "There is more in the body than is taken.");
pub(crate) const TOO_MANY_SIMULATIONS: &Kind = &kind(
    StatusCode::CONFLICT,
    "too-many-simulations",
    "As many simulations run as may: stop one.",
);
pub(crate) const TOO_MANY_STREAMS: &Kind = &kind(
    StatusCode::SERVICE_UNAVAILABLE,
    "too-many-streams",
    "As many live streams as are served are open.",
);
pub(crate) const UNSUPPORTED_CODING: &Kind = &kind(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "unsupported-coding",
    "The body is compressed in a way that is not known.",
);
pub(crate) const UNSUPPORTED_MEDIA_TYPE: &Kind = &kind(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "unsupported-media-type",
    "The body is of another type, or of none that is named.",
);
