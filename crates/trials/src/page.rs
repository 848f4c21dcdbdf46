//! The generated section of a documentation page.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

/// Where the report of a trial is written in addition to standard output.
#[derive(Debug, Args)]
pub(crate) struct PageFlags {
    /// Write the report between the markers of this page
    #[arg(long, value_name = "PAGE")]
    write: Option<PathBuf>,
}

impl PageFlags {
    /// Writes the report of the named trial into the page, if one was requested.
    ///
    /// # Errors
    /// Like [`write()`].
    pub(crate) fn update(&self, name: &str, report: &str) -> anyhow::Result<()> {
        let Some(page) = &self.write else { return Ok(()) };
        write(page, name, report)?;
        println!("written to {}", page.display());
        Ok(())
    }
}

/// Replaces the text between `<!-- name: begin -->` and `<!-- name: end -->` of a page.
///
/// # Errors
/// When the page cannot be read or written, or has no such markers.
fn write(page: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let shown = page.display();
    let old = std::fs::read_to_string(page).with_context(|| format!("reading {shown}"))?;
    let Some(new) = replaced(&old, name, text) else {
        bail!("{shown} has no markers <!-- {name}: begin --> and <!-- {name}: end -->");
    };
    std::fs::write(page, new).with_context(|| format!("writing {shown}"))
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let [open, close] = ["begin", "end"].map(|end| format!("<!-- {name}: {end} -->"));
    let (before, rest) = page.split_once(&open)?;
    let (_, after) = rest.split_once(&close)?;
    Some(format!("{before}{open}\n\n{}\n\n{close}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_between_the_markers_is_replaced() {
        let page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nz <!-- y: end -->\n";
        let wanted = "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nz <!-- y: end -->\n";
        assert_eq!(replaced(page, "x", "new\n").as_deref(), Some(wanted));
        assert_eq!(replaced(wanted, "x", "new").as_deref(), Some(wanted));
        assert_eq!(replaced(page, "y", "new"), None);
    }
}
