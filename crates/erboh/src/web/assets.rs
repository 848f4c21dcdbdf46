//! Static files: a few, compiled in, so that the binary is all there is to deploy.
//!
//! A page links to `/assets/page.css?v=<tag>`. With the right tag the answer may be kept for
//! ever, since another content has another tag; without it the browser asks each time and is
//! answered 304 while nothing changed.

use axum::Router;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// One file that is part of the binary.
pub struct Asset {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    tag: u64,
}

/// The style of every page.
pub static STYLE: Asset = Asset::new(
    "/assets/page.css",
    "text/css; charset=utf-8",
    include_bytes!("../../assets/page.css"),
);
/// Shares one stream of events among the tabs of a browser: a script of the live pages, and their shared worker.
pub static LIVE_SCRIPT: Asset = Asset::new(
    "/assets/live.js",
    "text/javascript; charset=utf-8",
    include_bytes!("../../assets/live.js"),
);
/// Keeps the board live.
pub static SCRIPT: Asset = Asset::new(
    "/assets/page.js",
    "text/javascript; charset=utf-8",
    include_bytes!("../../assets/page.js"),
);
/// Keeps the form's button from being pressed twice.
pub static RATE_SCRIPT: Asset = Asset::new(
    "/assets/rate.js",
    "text/javascript; charset=utf-8",
    include_bytes!("../../assets/rate.js"),
);
/// Draws the chart of simulated ratings.
pub static CHART_SCRIPT: Asset = Asset::new(
    "/assets/chart.js",
    "text/javascript; charset=utf-8",
    include_bytes!("../../assets/chart.js"),
);
/// Keeps the page of simulations live.
pub static SIMULATIONS_SCRIPT: Asset = Asset::new(
    "/assets/simulations.js",
    "text/javascript; charset=utf-8",
    include_bytes!("../../assets/simulations.js"),
);
/// The mark in the browser's tab.
pub static ICON: Asset =
    Asset::new("/assets/icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg"));

impl Asset {
    const fn new(path: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        Self { path, kind, bytes, tag: fnv1a(bytes) }
    }

    /// The address to link to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}?v={:016x}", self.path, self.tag)
    }

    fn answer(&self, query: Option<&str>, request: &HeaderMap) -> Response {
        let tagged = query == Some(format!("v={:016x}", self.tag).as_str());
        answer(self.kind, &Bytes::from_static(self.bytes), self.tag, tagged, request)
    }
}

/// Answers bytes that only change with the program: 304 to whoever has them, by their `tag`. Where
/// the address itself is `tagged`, they may be kept for ever.
pub fn answer(
    kind: &'static str,
    bytes: &Bytes,
    tag: u64,
    tagged: bool,
    request: &HeaderMap,
) -> Response {
    let tag = format!("\"{tag:016x}\"");
    let cache = if tagged { "public, max-age=31536000, immutable" } else { "no-cache" };
    let unchanged = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|value| value.trim().trim_start_matches("W/"))
        .any(|value| value == tag || value == "*");
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, HeaderValue::from_static(kind))], bytes.clone()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// FNV-1a, 64 bit: enough to tell versions of our own files apart, and computed at build time.
#[must_use]
pub const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

/// The routes of all static files.
pub fn routes() -> Router {
    [&STYLE, &LIVE_SCRIPT, &SCRIPT, &RATE_SCRIPT, &CHART_SCRIPT, &SIMULATIONS_SCRIPT, &ICON]
        .into_iter()
        .fold(Router::new(), |router, asset| {
            let answer = move |RawQuery(query): RawQuery, headers: HeaderMap| async move {
                asset.answer(query.as_deref(), &headers)
            };
            router.route(asset.path, get(answer))
        })
}
