//! What a field takes, and what is wrong with it, in words that people know.

use saphan_schemas::message_types::Language;

use super::{Fault, Field, Kind, Shape};
use crate::web::language::Speaks as _;

/// What is wrong with a field, and what it takes.
pub(super) fn message(field: &Field, fault: Fault, language: Language) -> String {
    if fault == Fault::Missing {
        let choose = matches!(
            field.kind,
            Kind::Choice(_) | Kind::Choices(_) | Kind::YesNo | Kind::Confirmed | Kind::Alternatives(_)
        );
        let text = if choose {
            language.of("โปรดเลือก", "Please choose.")
        } else {
            language.of("โปรดกรอก", "Please fill this in.")
        };
        return text.to_owned();
    }
    let wrong = language.of("ข้อมูลไม่ถูกต้อง", "This is not right.");
    match format_of(&field.kind, language) {
        Some(format) => format!("{wrong} {format}"),
        None => wrong.to_owned(),
    }
}

/// What a field takes, in words.
pub(super) fn format_of(kind: &Kind, language: Language) -> Option<String> {
    let text = match kind {
        Kind::Number { least, most, whole } => {
            let number = if *whole {
                language.of("จำนวนเต็ม", "A whole number")
            } else {
                language.of("ตัวเลข", "A number")
            };
            match (least, most) {
                (Some(least), Some(most)) => {
                    format!("{number} {} {least} {} {most}", language.of("ตั้งแต่", "from"), language.of("ถึง", "to"))
                }
                _ => number.to_owned(),
            }
        }
        Kind::Money => language.of("จำนวนเงินเป็นบาท เช่น 1,250.50", "An amount in baht, e.g. 1,250.50").to_owned(),
        Kind::Date => language.of("วัน เดือน ปี (ค.ศ.)", "A day of the Gregorian calendar").to_owned(),
        Kind::Text { shape, .. } => return shape_of(*shape, language),
        _ => return None,
    };
    Some(text)
}

fn shape_of(shape: Shape, language: Language) -> Option<String> {
    let text = match shape {
        Shape::Free | Shape::Other => return None,
        Shape::Digits(digits) => {
            return Some(format!("{}{digits}{}", language.of("ตัวเลข ", ""), language.of(" หลัก", " digits")));
        }
        Shape::NationalId => {
            language.of("ตัวเลข 13 หลัก หลักสุดท้ายเป็นเลขตรวจสอบ", "13 digits, the last of them the right check digit")
        }
        Shape::JuristicNumber => language.of("ตัวเลข 13 หลัก ขึ้นต้นด้วย 0", "13 digits, the first of them 0"),
        Shape::PartialDate => language.of("ปี ค.ศ. เช่น 1990-05-17", "A date such as 1990-05-17, or what is known of it"),
        Shape::Email => language.of("ที่อยู่อีเมล", "An e-mail address"),
        Shape::Thai => language.of("อักษรไทย", "Thai letters"),
        Shape::Latin => language.of("อักษรโรมัน", "Latin letters"),
        Shape::TimeOfDay => language.of("เวลา เช่น 09:30", "A time of day, e.g. 09:30"),
    };
    Some(text.to_owned())
}
