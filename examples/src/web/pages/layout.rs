//! What all pages have around them.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use saphan_schemas::message_types::Language;

use crate::web::html::{Element, Html, el};
use crate::web::language::Speaks as _;
use crate::web::visit::Visit;

/// A page under construction.
pub(in super::super) struct Page<'a> {
    visit: &'a Visit,
    title: String,
    before: Html,
    has_script: bool,
}

impl<'a> Page<'a> {
    /// A page with this heading.
    pub(in super::super) fn new(visit: &'a Visit, title: &str) -> Self {
        Self { visit, title: title.to_owned(), before: Html::new(), has_script: false }
    }

    /// What stands before the heading: the summary of errors.
    pub(in super::super) fn before(mut self, html: Html) -> Self {
        self.before = html;
        self
    }

    /// With the script that shows progress.
    pub(in super::super) const fn with_script(mut self) -> Self {
        self.has_script = true;
        self
    }

    /// The finished page.
    pub(in super::super) fn body(self, content: impl Into<Html>) -> Response {
        let visit = self.visit;
        let has_error = self.before != Html::new();
        let error = if has_error { visit.say("ข้อผิดพลาด: ", "Error: ") } else { "" };
        let title = format!("{error}{} – {}", self.title, name(visit));
        let script = self.has_script.then(|| el("script").attr("src", "/assets/progress.js").flag("defer", true));
        let head = Html::new()
            .with(el("meta").attr("charset", "utf-8"))
            .with(el("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
            .with(el("title").with(title))
            .with(el("link").attr("rel", "stylesheet").attr("href", "/assets/portal.css"))
            .with(el("link").attr("rel", "icon").attr("href", "/assets/icon.svg"))
            .with(script);
        let main = el("main").attr("id", "main").attr("tabindex", "-1");
        let main = main.with(self.before).with(el("h1").with(self.title)).with(content);
        let skip = el("a").class("skip").attr("href", "#main").with(visit.say("ข้ามไปยังเนื้อหา", "Skip to the content"));
        let body = Html::new().with(skip).with(header(visit)).with(demonstration(visit)).with(main).with(footer(visit));
        let document = Html::document(visit.language.code(), &head, &body);
        ([(CONTENT_TYPE, "text/html; charset=utf-8")], document).into_response()
    }
}

/// A form that changes something: it says from which session it comes.
pub(in super::super) fn form(visit: &Visit, action: &str) -> Element {
    let form = el("form").attr("method", "post").attr("action", visit.path(action)).flag("novalidate", true);
    form.with(visit.session.as_ref().map(|session| hidden("csrf", &session.csrf)))
}

/// A value that goes with a form.
pub(in super::super) fn hidden(name: &'static str, value: &str) -> Element {
    el("input").attr("type", "hidden").attr("name", name).attr("value", value)
}

/// A button that sends its form.
pub(in super::super) fn button(text: &str) -> Element {
    el("button").attr("type", "submit").with(text)
}

/// Terms and what they mean.
pub(in super::super) fn terms(pairs: impl IntoIterator<Item = (String, Html)>) -> Element {
    let each =
        pairs.into_iter().map(|(term, meaning)| Html::new().with(el("dt").with(term)).with(el("dd").with(meaning)));
    el("dl").with(each.collect::<Html>())
}

fn name(visit: &Visit) -> &'static str {
    visit.language.of("พอร์ทัลตัวอย่าง", "Example portal")
}

fn header(visit: &Visit) -> Element {
    let (other, other_name) = match visit.language {
        Language::Th => (Language::En, "English"),
        Language::En => (Language::Th, "ภาษาไทย"),
    };
    let switch = el("a").attr("href", format!("/{}/{}", other.code(), visit.rest)).attr("hreflang", other.code());
    let switch = switch.attr("lang", other.code()).with(other_name);
    let top = el("div").class("top");
    let top = top.with(el("a").class("name").attr("href", visit.path("")).with(name(visit))).with(switch);
    let link = |path: &str, text: &str| {
        let is_here = visit.rest.split('?').next() == Some(path);
        let link = el("a").attr("href", visit.path(path)).attr_if("aria-current", is_here.then_some("page"));
        el("li").with(link.with(text))
    };
    let mut items = Html::from(link("", visit.say("บริการ", "Services")));
    if visit.session.as_ref().is_some_and(|session| session.person.is_some()) {
        items.push(link("cases", visit.say("คำขอของฉัน", "My applications")));
        items.push(link("trace", visit.say("ใครใช้ข้อมูลของฉัน", "Who used my data")));
        let leave = el("button").attr("type", "submit").with(visit.say("ออกจากระบบ", "Sign out"));
        items.push(el("li").with(form(visit, "sign-out").with(leave)));
    } else {
        items.push(link("sign-in", visit.say("เข้าสู่ระบบ", "Sign in")));
    }
    let label = visit.say("เมนูหลัก", "Main menu");
    el("header").with(top).with(el("nav").attr("aria-label", label).with(el("ul").with(items)))
}

fn demonstration(visit: &Visit) -> Element {
    let text = visit.say(
        "หน้าสาธิต: บุคคลทั้งหมดเป็นบุคคลสมมุติ อย่ากรอกข้อมูลจริง",
        "Demonstration: all people here are invented. Do not enter anybody's real data.",
    );
    let label = visit.say("คำเตือน", "Notice");
    el("aside").class("demonstration").attr("aria-label", label).with(el("p").with(text))
}

fn footer(visit: &Visit) -> Element {
    let text = visit
        .say("หลักฐานที่หน่วยงานรัฐมีอยู่แล้ว ระบบจะขอให้ท่านเอง", "What one agency holds already, no other agency asks you for.");
    el("footer").with(el("p").with(text))
}
