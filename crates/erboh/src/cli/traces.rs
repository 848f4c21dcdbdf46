//! Where traces go, if anywhere.

use std::ffi::OsString;

/// The variable that other programs read too. It often stands in the environment of a whole cluster,
/// so an erboh that cannot send traces passes over it.
const USUAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// An address of a collector, in an erboh that can send traces to it.
pub(super) fn collector(text: &str) -> Result<String, String> {
    if !cfg!(feature = "otlp") {
        return Err("this erboh was built without the sending of traces. Build it with \
                    `cargo build --release --features otlp`, or leave this setting out"
            .to_owned());
    }
    let host = text.strip_prefix("http://").filter(|host| !host.is_empty());
    host.map(|_| text.to_owned()).ok_or_else(|| {
        "expected an address that starts with http://. Traces are sent unencrypted, to a collector \
         on the same node or in the same pod, which passes them on as securely as it takes"
            .to_owned()
    })
}

/// The collector of the usual variable.
pub(super) fn usual_collector() -> Result<Option<String>, String> {
    usual(std::env::var_os(USUAL).filter(|_| cfg!(feature = "otlp")))
}

fn usual(value: Option<OsString>) -> Result<Option<String>, String> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_string_lossy();
    collector(&value).map(Some).map_err(|reason| format!("{USUAL}={value}: {reason}"))
}
