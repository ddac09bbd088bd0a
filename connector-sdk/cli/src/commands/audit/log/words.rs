//! The words of a verdict, in the languages of those who read it.

use crate::commands::audit::language::Language;
use crate::log_check::TamperClass;

/// The words of a verdict. The reason is in English in both languages: it names parts of the contract.
pub(super) struct Words {
    pub(super) holds: &'static str,
    pub(super) does_not_hold: &'static str,
    pub(super) verdict: &'static str,
    pub(super) entry: &'static str,
    pub(super) file: &'static str,
    pub(super) reason: &'static str,
    pub(super) evidence: &'static str,
    pub(super) trusted: &'static str,
    pub(super) entries: &'static str,
    pub(super) nothing: &'static str,
    pub(super) checked: &'static str,
    pub(super) messages: &'static str,
    pub(super) acknowledgements: &'static str,
    pub(super) processed: &'static str,
    pub(super) rejected: &'static str,
    pub(super) refusals: &'static str,
    pub(super) registry: &'static str,
    pub(super) erasures: &'static str,
    pub(super) queries: &'static str,
    pub(super) root: &'static str,
    pub(super) log: &'static str,
    pub(super) abandoned: &'static str,
    pub(super) timestamps: &'static str,
    pub(super) existed_by: &'static str,
    pub(super) gap: &'static str,
    pub(super) from_entry: &'static str,
    pub(super) advice: &'static str,
}

impl Language {
    pub(super) const fn words(self) -> &'static Words {
        self.of(&ENGLISH, &THAI)
    }

    pub(super) const fn class(self, class: TamperClass) -> &'static str {
        self.of(class.english(), class.thai())
    }
}

const ENGLISH: Words = Words {
    holds: "everything holds",
    does_not_hold: "the log does NOT hold",
    verdict: "verdict",
    entry: "entry",
    file: "file",
    reason: "reason",
    evidence: "evidence",
    trusted: "trusted before",
    entries: "entries",
    nothing: "nothing",
    checked: "checked now",
    messages: "messages",
    acknowledgements: "acknowledgements",
    processed: "processed",
    rejected: "rejected",
    refusals: "refusals",
    registry: "registry",
    erasures: "erasures",
    queries: "queries",
    root: "root",
    log: "log",
    abandoned: "abandoned (left / signed)",
    timestamps: "timestamps",
    existed_by: "existed by",
    gap: "no timestamp",
    from_entry: "from entry",
    advice: "What was trusted before stays as it was. Keep a copy, and show it to the hub's operator.",
};

const THAI: Words = Words {
    holds: "ถูกต้องทั้งหมด",
    does_not_hold: "บันทึกนี้ไม่ถูกต้อง",
    verdict: "ผลการตรวจ",
    entry: "รายการที่",
    file: "ไฟล์",
    reason: "เหตุผล",
    evidence: "หลักฐาน",
    trusted: "ที่เชื่อถือไว้ก่อน",
    entries: "รายการ",
    nothing: "ยังไม่มี",
    checked: "ตรวจครั้งนี้",
    messages: "ข้อความ",
    acknowledgements: "การตอบรับ",
    processed: "ดำเนินการแล้ว",
    rejected: "ปฏิเสธ",
    refusals: "ไม่รับเข้า",
    registry: "ทะเบียน",
    erasures: "การลบ",
    queries: "การสืบค้น",
    root: "ราก",
    log: "บันทึก",
    abandoned: "เลิกใช้แล้ว (คงเหลือ / ลงนามแล้ว)",
    timestamps: "การประทับรับรองเวลา",
    existed_by: "มีอยู่แล้วเมื่อ",
    gap: "ไม่มีการประทับรับรองเวลา",
    from_entry: "ตั้งแต่รายการที่",
    advice: "สิ่งที่เชื่อถือไว้ก่อนยังคงเดิม โปรดเก็บสำเนาไว้ และแจ้งผู้ดูแลศูนย์กลาง",
};
