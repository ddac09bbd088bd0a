//! Pictures, made on the server. What they look like says the stylesheet; what they show stands in a table beside them.

pub(super) mod plot;
pub(super) mod sequence;

use crate::html::{Element, el};

/// A picture of this size, with what screen readers say of it. The name is unique on its page.
fn picture(name: &'static str, (width, height): (u64, u64), title: &str, description: &str) -> Element {
    let (title_id, description_id) = (format!("{name}-title"), format!("{name}-text"));
    el("svg")
        .attr("viewBox", format!("0 0 {width} {height}"))
        .attr("width", width.to_string())
        .attr("height", height.to_string())
        .attr("role", "img")
        .attr("aria-labelledby", format!("{title_id} {description_id}"))
        .with(el("title").attr("id", title_id).with(title))
        .with(el("desc").attr("id", description_id).with(description))
}

fn text(class: &'static str, (x, y): (u64, u64), text: &str) -> Element {
    el("text").class(class).attr("x", x.to_string()).attr("y", y.to_string()).with(text)
}

fn line(class: &'static str, (x1, y1): (u64, u64), (x2, y2): (u64, u64)) -> Element {
    let line = el("line").class(class).attr("x1", x1.to_string()).attr("y1", y1.to_string());
    line.attr("x2", x2.to_string()).attr("y2", y2.to_string())
}

fn rectangle(class: &'static str, (x, y): (u64, u64), (width, height): (u64, u64)) -> Element {
    let at = el("rect").class(class).attr("x", x.to_string()).attr("y", y.to_string());
    at.attr("width", width.to_string()).attr("height", height.to_string())
}
