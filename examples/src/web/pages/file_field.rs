//! Where a file is chosen.

use crate::web::files::{ACCEPT, FileFault, Received, takes};
use crate::web::html::{Element, el};
use crate::web::visit::Visit;

/// An input for a file.
pub(super) struct FileField<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// Its name in the form.
    pub(super) name: &'a str,
    /// What people read beside it.
    pub(super) label: &'a str,
    /// What is wrong with the file that was chosen last.
    pub(super) fault: Option<FileFault>,
    /// The file that waits here from before: a browser does not fill in the input again.
    pub(super) held: Option<&'a Received>,
}

impl FileField<'_> {
    pub(super) fn show(&self, visit: &Visit) -> Element {
        let Self { id, name, label, fault, held } = self;
        let [hint_id, held_id, error_id] = ["hint", "held", "error"].map(|what| format!("{id}-{what}"));
        let hint = el("p").class("hint").attr("id", &hint_id).with(takes(visit.language));
        let kept = held.map(|file| {
            let text = visit.say(
                "ได้รับไฟล์ของท่านแล้ว และจะส่งไปพร้อมกัน หากต้องการเปลี่ยน โปรดเลือกไฟล์ใหม่",
                "Your file is here, and goes with the rest. To send another instead, choose it.",
            );
            el("p").class("held").attr("id", &held_id).with(format!("{text} ({})", file.described()))
        });
        let error = fault.map(|fault| el("p").class("error").attr("id", &error_id).with(fault.text(visit.language)));
        let by = [Some(&hint_id), held.map(|_| &held_id), fault.map(|_| &error_id)];
        let by: Vec<_> = by.into_iter().flatten().map(String::as_str).collect();
        let input = el("input").attr("type", "file").attr("id", id).attr("name", name).attr("accept", ACCEPT);
        let input = input.attr("aria-describedby", by.join(" ")).attr_if("aria-invalid", fault.map(|_| "true"));
        let label = el("label").attr("for", id).with(*label);
        el("div").class("field").with(label).with(hint).with(kept).with(error).with(input)
    }
}
