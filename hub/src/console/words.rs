//! Everything that pages say, in Thai and in English: one table, so that neither language can lack a word.

use saphan_schemas::facts::EntryKind;
use saphan_schemas::message_types::Language;

use crate::audit::{Fate, Step};

macro_rules! words {
    ($( $name:ident = $th:literal, $en:literal; )*) => {
        /// Something that a page says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Word { $( $name, )* }

        impl Word {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name),*];

            /// In this language.
            pub(crate) const fn of(self, language: Language) -> &'static str {
                match (self, language) {
                    $( (Self::$name, Language::Th) => $th, (Self::$name, Language::En) => $en, )*
                }
            }
        }
    };
}

words! {
    Console = "ระบบตรวจสอบ", "Audit console";
    SkipToContent = "ข้ามไปยังเนื้อหา", "Skip to the content";
    MainMenu = "เมนูหลัก", "Main menu";
    SignIn = "เข้าสู่ระบบ", "Sign in";
    SignOut = "ออกจากระบบ", "Sign out";
    SignedInAs = "ผู้ตรวจสอบ", "Auditor";
    SignInHow = "กุญแจของท่านไม่ออกจากเครื่องของท่าน ลงนามโทเคนด้วยคำสั่งนี้ แล้ววางโทเคนในช่องด้านล่างภายในหนึ่งนาที",
        "Your key stays on your machine. Sign a token with this command, and paste it below within a minute.";
    SignInNote = "โทเคนใช้ได้ครั้งเดียว การเข้าสู่ระบบสิ้นสุดเมื่อไม่มีการใช้งานสามสิบนาที และไม่เกินแปดชั่วโมง",
        "The token is good once. You stay signed in until you do nothing for thirty minutes, and for eight hours at most.";
    EveryLook = "ทุกคำค้นของท่านถูกบันทึกไว้เป็นรายการในบันทึกของศูนย์",
        "Everything that you look for is an entry of the hub's log.";
    Token = "โทเคน", "Token";
    SessionEnded = "การเข้าสู่ระบบสิ้นสุดแล้ว โปรดเข้าสู่ระบบอีกครั้ง", "You are not signed in any longer. Please sign in again.";
    NotSignedIn = "เข้าสู่ระบบไม่สำเร็จ", "You could not be signed in";
    Search = "ค้นหา", "Search";
    SearchTheLog = "ค้นหาในบันทึก", "Search the log";
    SearchHint = "เว้นว่างช่องที่ไม่ต้องการ ทุกช่องที่กรอกต้องตรงกัน เวลาทั้งหมดเป็นเวลาประเทศไทย",
        "Leave empty what does not matter. All that is filled in must fit. All times are Thai time (UTC+7).";
    Found = "ผลการค้นหา", "What was found";
    NothingFits = "ไม่พบรายการที่ตรงกัน", "Nothing fits.";
    MoreToCome = "ไม่พบรายการในช่วงนี้ แต่ยังมีรายการก่อนหน้าให้ค้นต่อ", "Nothing fits here, but there is more to search.";
    Conditions = "เงื่อนไข", "Conditions";
    Searched = "จำนวนรายการที่ค้น", "Entries searched";
    QueryEntry = "คำค้นนี้คือรายการที่", "This query is entry";
    AsTheHubSays = "หน้านี้เป็นคำบอกของศูนย์ ไฟล์ส่งออกมีหลักฐานของทุกแถว ตรวจได้ด้วย saphan audit verify-export",
        "This page is the hub's word. An export proves each row; saphan audit verify-export checks it.";
    ExportedLog = "บันทึกที่จะส่งออก", "Log to export";
    PresentLog = "ปัจจุบัน", "present";
    EarlierLogNote = "บันทึกก่อนหน้าส่งออกตามที่เป็นเมื่อสิ้นสุด สิ่งที่บันทึกต่อ ๆ มากล่าวถึงข้อความในนั้นไม่อยู่ในไฟล์",
        "An earlier log is exported as it was when it ended. What later logs say of its messages is not in the file.";
    Older = "รายการก่อนหน้า", "Older entries";
    Newest = "กลับไปรายการล่าสุด", "Back to the newest";
    ExportCsv = "ส่งออก CSV", "Export CSV";
    ExportLines = "ส่งออก JSON Lines", "Export JSON Lines";
    Place = "รายการที่", "Entry";
    Time = "เวลา", "Time";
    Kind = "ประเภทรายการ", "Kind";
    System = "ระบบ", "System";
    Member = "หน่วยงาน", "Member";
    From = "ผู้ส่ง", "From";
    To = "ผู้รับ", "To";
    FromAndTo = "ผู้ส่งและผู้รับ", "From and to";
    MessageType = "ชนิดข้อความ", "Message type";
    Service = "บริการ", "Service";
    Case = "กรณี", "Case";
    Outcome = "ผล", "Outcome";
    Code = "รหัสปัญหา", "Problem code";
    Since = "ตั้งแต่", "Since";
    Until = "ก่อน", "Before";
    Any = "ทั้งหมด", "Any";
    Open = "เปิด", "Open";
    ThisMessage = "ข้อความ", "message";
    ThisCase = "กรณี", "case";
    DrawCase = "แสดงแผนภาพกรณี", "Draw the case";
    FindMessage = "ดูเส้นทางของข้อความ", "One message's way";
    MessageId = "รหัสข้อความ", "Message id";
    SenderIfKnown = "ผู้ส่ง (ถ้าทราบ)", "Sender (if known)";
    CaseId = "รหัสกรณี", "Case id";
    BackToResults = "กลับไปผลการค้นหา", "Back to the results";
    KindMessage = "ข้อความ", "message";
    KindRefusal = "การปฏิเสธ", "refusal";
    KindAcknowledgement = "การตอบรับ", "acknowledgement";
    KindRegistry = "ทะเบียน", "registry";
    KindErasure = "การลบเนื้อหา", "erasure";
    KindShard = "ช่วงบันทึก", "shard";
    KindQuery = "คำค้นของผู้ตรวจสอบ", "auditor's query";
    KindUnreadable = "อ่านไม่ได้", "unreadable";
    Processed = "ดำเนินการแล้ว", "processed";
    Rejected = "ผู้รับไม่รับ", "rejected";
    Unacknowledged = "ยังไม่ตอบรับ", "unacknowledged";
    MessagesWay = "เส้นทางของข้อความ", "A message's way";
    Submitted = "ผู้ส่งลงนาม", "Submitted";
    SubmittedNote = "ตามนาฬิกาของผู้ส่ง", "signed, by the sender's clock";
    Accepted = "ศูนย์รับไว้", "Accepted";
    AcceptedNote = "ศูนย์บันทึกข้อความ", "the hub logged it";
    Sent = "ส่งถึงตัวกลางแล้ว", "Sent";
    SentNote = "ตัวกลางมีข้อความรอผู้รับ ศูนย์ไม่เก็บเวลานี้", "the broker has it for its receiver; the hub keeps no time of that";
    Expired = "หมดอายุ", "Expired";
    ExpiredNote = "ผู้รับไม่ได้รับข้อความก่อนกำหนดของผู้ส่ง", "its receiver did not take it before the sender's deadline";
    Delivered = "ถึงผู้รับ", "Delivered";
    DeliveredNote = "ผู้รับลงนามตอบรับ ตามนาฬิกาของผู้รับ", "the receiver signed its acknowledgement, by its own clock";
    Acknowledged = "บันทึกการตอบรับ", "Acknowledged";
    AcknowledgedNote = "ศูนย์บันทึกการตอบรับ", "the hub logged the acknowledgement";
    Erased = "ลบเนื้อหาแล้ว", "Erased";
    ErasedNote = "เนื้อหาถูกลบ หลักฐานยังอยู่ครบ", "its body was erased; what proves it stands";
    TimeNotKept = "ไม่มีผู้เก็บเวลานี้", "nobody kept the time";
    Facts = "รายละเอียด", "What the log says";
    Evidence = "หลักฐาน", "Evidence";
    EvidenceNote = "ไฟล์ข้อความ (ไม่มีเนื้อหา) ตรวจได้ด้วย saphan verify ส่วนคำสั่งนี้ตรวจบันทึกทั้งหมด แล้วสร้างไฟล์เดียวที่พิสูจน์ข้อความต่อผู้อื่นได้",
        "The message file (without the body) is checked by saphan verify. The command below checks the whole log, and makes one file that proves the message to others.";
    DownloadMessage = "ดาวน์โหลดไฟล์ข้อความ", "Download the message file";
    DownloadAcknowledgement = "ดาวน์โหลดการตอบรับ", "Download the acknowledgement";
    DownloadCosigned = "ดาวน์โหลดหลักฐานที่พยานลงนาม", "Download the cosigned proof";
    CasePicture = "แผนภาพของกรณี", "The case as a picture";
    PictureSays = "จำนวนข้อความและระบบ ตารางด้านล่างบอกทุกข้อความตามหมายเลข",
        "Messages and systems. The table below says each message by its number.";
    Messages = "ข้อความ", "Messages";
    Systems = "ระบบที่เกี่ยวข้อง", "Systems";
    MoreMessages = "ข้อความถัดไป", "More messages";
    Number = "ลำดับ", "No.";
    ScrollHint = "เลื่อนไปทางขวาเพื่อดูทั้งหมด", "Scroll sideways to see all of it";
    Health = "สุขภาพของการแลกเปลี่ยน", "Health of the exchange";
    HealthShort = "สุขภาพ", "Health";
    Span = "ช่วงเวลา", "Time";
    SpanHour = "หนึ่งชั่วโมง", "an hour";
    SpanDay = "หนึ่งวัน", "a day";
    SpanWeek = "หนึ่งสัปดาห์", "a week";
    SpanQuarter = "เก้าสิบวัน", "ninety days";
    EndsAt = "จนถึง (เว้นว่าง: ขณะนี้)", "Until (empty: now)";
    Show = "แสดง", "Show";
    PastQueries = "คำค้นที่ผ่านมา", "Past queries";
    PastQueriesNote = "คำค้นของผู้ตรวจสอบทุกคน ใหม่ที่สุดก่อน ข้อความและค่าสุ่มแสดงว่ารายการในบันทึกคือคำค้นนี้",
        "What all auditors asked, newest first. Text and salt show that the entry of the log is about this query.";
    QueryText = "ข้อความของคำค้น", "Text of the query";
    Salt = "ค่าสุ่ม (salt)", "Salt";
    TextLost = "ศูนย์ไม่มีข้อความนี้แล้ว", "The hub does not have it any more.";
    NothingAsked = "ยังไม่มีคำค้นก่อนหน้านี้", "Nothing was asked before.";
    AcceptedAndRefused = "รับไว้และปฏิเสธ", "Accepted and refused";
    RefusedByCode = "ปฏิเสธตามรหัส", "Refused, by code";
    AcknowledgedPlot = "การตอบรับ", "Acknowledged";
    TimeToAcknowledge = "เวลาจนถึงการตอบรับ", "Time to acknowledgement";
    Refused = "ปฏิเสธ", "Refused";
    Half = "ครึ่งหนึ่งไม่เกิน", "Half within";
    Most = "19 ใน 20 ไม่เกิน", "19 in 20 within";
    AllWithin = "ทั้งหมดไม่เกิน", "All within";
    Others = "อื่น ๆ", "others";
    NoneInTime = "ไม่มีในช่วงเวลานี้", "None in this time.";
    Totals = "ยอดรวม", "Totals";
    Count = "จำนวน", "Number";
    Meaning = "ความหมาย", "Meaning";
    SlotBySlot = "ทีละช่วง", "Slot by slot";
    SlotNote = "เฉพาะช่วงที่มีรายการ", "Only slots in which something happened.";
    CannotRead = "อ่านช่องต่อไปนี้ไม่ได้", "These fields cannot be read";
    WrongId = "ต้องเป็นรหัสตามรูปแบบ เช่น", "It must be an id, such as";
    WrongTime = "ต้องเป็นวันและเวลา เช่น", "It must be a date and time, such as";
    WrongChoice = "โปรดเลือกจากรายการ", "Choose one of the list.";
    ErrorTitle = "ดำเนินการไม่ได้", "This cannot be done";
    ErrorPrefix = "ข้อผิดพลาด: ", "Error: ";
    NotFound = "ไม่พบหน้าหรือข้อมูลนี้", "There is no such page, message, case or log.";
    MayNot = "กุญแจนี้ไม่ได้เป็นของผู้ตรวจสอบ โปรดขอบทบาท auditor จากผู้ดูแลศูนย์",
        "This key may not audit. Ask the hub's operator for the role auditor.";
    NotOurForm = "แบบฟอร์มนี้ไม่ได้มาจากการเข้าสู่ระบบของท่าน โปรดเริ่มใหม่จากหน้าค้นหา",
        "This form does not come from your session. Please begin again at the search.";
    Unreadable = "อ่านคำขอไม่ได้ โปรดเริ่มใหม่จากหน้าค้นหา", "The request cannot be read. Please begin again at the search.";
    TooFast = "คำขอมากเกินไปในเวลาสั้น โปรดรอสักครู่แล้วลองใหม่", "That was too much in a short time. Please wait a moment and try again.";
    Busy = "ศูนย์มีงานเต็ม โปรดลองใหม่ในอีกสักครู่", "The hub is busy. Please try again in a moment.";
    Stopping = "ศูนย์กำลังหยุดทำงาน โปรดลองใหม่ภายหลัง", "The hub is stopping. Please try again later.";
    Unavailable = "ศูนย์เข้าถึงข้อมูลไม่ได้ในขณะนี้ จึงไม่ตอบคำค้น โปรดลองใหม่ภายหลัง",
        "The hub cannot reach its data now, so nothing is answered. Please try again later.";
    ToStart = "ไปหน้าแรก", "To the start";
}

impl Word {
    /// Of a kind of entry.
    pub(super) const fn kind(kind: Option<EntryKind>) -> Self {
        match kind {
            Some(EntryKind::Message) => Self::KindMessage,
            Some(EntryKind::Refusal) => Self::KindRefusal,
            Some(EntryKind::Acknowledgement) => Self::KindAcknowledgement,
            Some(EntryKind::Registry) => Self::KindRegistry,
            Some(EntryKind::Erasure) => Self::KindErasure,
            Some(EntryKind::Shard) => Self::KindShard,
            Some(EntryKind::Query) => Self::KindQuery,
            None => Self::KindUnreadable,
        }
    }

    /// Of what became of a message.
    pub(super) const fn fate(fate: Fate) -> Self {
        match fate {
            Fate::Unacknowledged => Self::Unacknowledged,
            Fate::Processed => Self::Processed,
            Fate::Rejected => Self::Rejected,
        }
    }

    /// Of a step on a message's way, and what it means.
    pub(super) const fn step(step: Step) -> (Self, Self) {
        match step {
            Step::Submitted => (Self::Submitted, Self::SubmittedNote),
            Step::Accepted => (Self::Accepted, Self::AcceptedNote),
            Step::Sent => (Self::Sent, Self::SentNote),
            Step::Expired => (Self::Expired, Self::ExpiredNote),
            Step::Delivered => (Self::Delivered, Self::DeliveredNote),
            Step::Acknowledged => (Self::Acknowledged, Self::AcknowledgedNote),
            Step::Erased => (Self::Erased, Self::ErasedNote),
        }
    }
}

/// The code of a language: of `lang` attributes, and of paths.
pub(crate) const fn code(language: Language) -> &'static str {
    match language {
        Language::Th => "th",
        Language::En => "en",
    }
}

/// The language of a code.
pub(crate) fn language(text: &str) -> Option<Language> {
    [Language::Th, Language::En].into_iter().find(|language| code(*language) == text)
}

/// The language of who comes for the first time: Thai unless English is asked for first.
pub(crate) fn preferred(accept_language: Option<&str>) -> Language {
    let mut wanted = accept_language.unwrap_or_default().split(',').map(str::trim);
    wanted.find_map(|one| language(one.get(..2)?)).unwrap_or(Language::Th)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_thai_in_thai_and_english_in_english() {
        let is_thai = |text: &str| text.chars().any(|letter| ('\u{e00}'..='\u{e7f}').contains(&letter));
        for word in Word::ALL {
            let (thai, english) = (word.of(Language::Th), word.of(Language::En));
            // Names of formats are the same everywhere.
            assert!(is_thai(thai), "{word:?}: {thai}");
            assert!(!is_thai(english) && !english.trim().is_empty(), "{word:?}: {english}");
        }
    }

    #[test]
    fn thai_is_spoken_unless_english_is_asked_for_first() {
        let spoken = [None, Some("de, en-GB;q=0.8, th;q=0.5"), Some("th-TH,en"), Some("ja"), Some("é")].map(preferred);
        assert_eq!(spoken, [Language::Th, Language::En, Language::Th, Language::Th, Language::Th]);
    }
}
