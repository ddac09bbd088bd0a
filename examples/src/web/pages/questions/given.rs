//! From what a browser sends to answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use saphan_schemas::envelope::MAX_DOCUMENTS;
use saphan_schemas::ids::Code;
use saphan_schemas::message_types::{Answer, AnswerForm, Date, FactValue, InformationRequested, Item, Language};
use serde_json::Number;

use super::items::{LONGEST, answer_input, choice_input, file_input};
use crate::web::book::Question;
use crate::web::files::{Faults, FileFault, Held, Owner, Received, Shelf};
use crate::web::form::Input;
use crate::web::language::Speaks as _;

/// What was given for the items of a question.
#[derive(Default)]
pub(super) struct Given {
    /// Answers that are complete.
    pub(super) answers: Vec<Answer>,
    /// Files that are still to be uploaded.
    pub(super) files: Vec<(Code, Arc<Received>)>,
}

/// Why an item has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// It is not answered, or not as it must be.
    Answer,
    /// The file does not do.
    File(FileFault),
}

/// The items without an answer.
pub(super) type Lacks = BTreeMap<Code, Lack>;

/// The inputs for files of all questions that are open.
pub(super) fn file_inputs(questions: &[Question]) -> BTreeSet<String> {
    let open = questions.iter().filter(|question| !question.answered);
    open.flat_map(|question| documents(&question.asked)).map(|item| file_input(&item.item)).collect()
}

/// Puts away the files that came; answers what is wrong with the others.
pub(super) fn keep_files(
    shelf: &Arc<Shelf>,
    owner: Owner,
    asked: &InformationRequested,
    input: &Input,
    mut files: BTreeMap<String, Result<Received, FileFault>>,
) -> Faults {
    let mut faults = Faults::new();
    for Item { item, .. } in documents(asked) {
        let is_wanted = !matches!(input.one(&choice_input(item)), Some(COUNTER | NONE));
        let came = files.remove(&file_input(item));
        if is_wanted {
            let fault = came.and_then(|came| shelf.keep(owner, item, came));
            faults.extend(fault.map(|fault| (item.clone(), fault)));
        } else {
            shelf.remove(owner, item);
        }
    }
    faults
}

impl Given {
    /// What was given.
    ///
    /// # Errors
    /// The items without an answer that they need.
    pub(super) fn read(
        asked: &InformationRequested,
        input: &Input,
        held: &Held,
        faults: &Faults,
        language: Language,
    ) -> Result<Self, Lacks> {
        let (mut given, mut lacks) = (Self::default(), Lacks::new());
        for item in &asked.items {
            let code = &item.item;
            let chosen = input.one(&choice_input(code));
            let lack = match (item.answer, chosen) {
                (AnswerForm::Document, Some(COUNTER | NONE)) => {
                    let note = if chosen == Some(COUNTER) {
                        language.of("จะยื่นด้วยตนเองที่สำนักงาน", "Will be handed in at the office.")
                    } else {
                        language.of("ไม่มี", "I do not have it.")
                    };
                    given.answers.push(Answer::Unavailable { item: code.clone(), note: note.to_owned() });
                    None
                }
                (AnswerForm::Document, _) => match (faults.get(code), held.get(code)) {
                    (Some(fault), _) => Some(Lack::File(*fault)),
                    (None, Some(_)) if given.files.len() == MAX_DOCUMENTS => Some(Lack::File(FileFault::TooMany)),
                    (None, Some(file)) => {
                        given.files.push((code.clone(), Arc::clone(file)));
                        None
                    }
                    (None, None) if chosen == Some(FILE) => Some(Lack::File(FileFault::Missing)),
                    (None, None) => Some(Lack::Answer),
                },
                _ => match value(item, input) {
                    Ok(value) => {
                        given.answers.extend(value.map(|value| Answer::Value { item: code.clone(), value }));
                        None
                    }
                    Err(lack) => Some(lack),
                },
            };
            lacks.extend(lack.map(|lack| (code.clone(), lack)));
        }
        if lacks.is_empty() { Ok(given) } else { Err(lacks) }
    }

    /// Whether there is nothing to send.
    pub(super) const fn is_nothing(&self) -> bool {
        self.answers.is_empty() && self.files.is_empty()
    }
}

fn documents(asked: &InformationRequested) -> impl Iterator<Item = &Item> {
    asked.items.iter().filter(|item| item.answer == AnswerForm::Document)
}

fn value(item: &Item, input: &Input) -> Result<Option<FactValue>, Lack> {
    let Some(text) = input.one(&answer_input(&item.item)) else {
        return if item.required { Err(Lack::Answer) } else { Ok(None) };
    };
    let value = match item.answer {
        AnswerForm::Number => FactValue::Number(text.replace(',', "").parse::<Number>().map_err(|_| Lack::Answer)?),
        AnswerForm::YesNo => FactValue::YesNo(match text {
            "yes" => true,
            "no" => false,
            _ => return Err(Lack::Answer),
        }),
        AnswerForm::Date => FactValue::Text(text.parse::<Date>().map_err(|_| Lack::Answer)?.to_string()),
        AnswerForm::Choice => {
            let chosen = item.choices.iter().find(|choice| choice.code.as_str() == text).ok_or(Lack::Answer)?;
            FactValue::Text(chosen.code.to_string())
        }
        AnswerForm::Text if text.chars().count() <= LONGEST => FactValue::Text(text.to_owned()),
        AnswerForm::Text | AnswerForm::Document => return Err(Lack::Answer),
    };
    Ok(Some(value))
}

/// Ways to answer with a document.
pub(super) const FILE: &str = "file";
pub(super) const COUNTER: &str = "counter";
pub(super) const NONE: &str = "none";
