//! The words of the verdict about a bundle.

use super::Limit;
use crate::commands::audit::language::Language;

pub(super) struct Words {
    pub(super) holds: &'static str,
    pub(super) does_not_hold: &'static str,
    pub(super) verdict: &'static str,
    pub(super) reason: &'static str,
    pub(super) entry: &'static str,
    pub(super) message: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) logged: &'static str,
    pub(super) agreement: &'static str,
    pub(super) schema: &'static str,
    pub(super) body: &'static str,
    pub(super) bytes: &'static str,
    pub(super) erased_by: &'static str,
    pub(super) receipt: &'static str,
    pub(super) answer: &'static str,
    pub(super) here: &'static str,
    pub(super) not_here: &'static str,
    pub(super) none: &'static str,
    pub(super) log: &'static str,
    pub(super) before: &'static str,
    pub(super) abandoned: &'static str,
    pub(super) entries: &'static str,
    pub(super) root: &'static str,
    pub(super) witnesses: &'static str,
    pub(super) not_shown: &'static str,
    pub(super) existed_by: &'static str,
    limits: [&'static str; 6],
}

impl Words {
    pub(super) const fn of(language: Language) -> &'static Self {
        language.of(&ENGLISH, &THAI)
    }

    pub(super) const fn limit(&self, limit: &Limit) -> &'static str {
        self.limits[*limit as usize]
    }
}

const ENGLISH: Words = Words {
    holds: "everything holds",
    does_not_hold: "it does NOT hold",
    verdict: "verdict",
    reason: "reason",
    entry: "entry",
    message: "message",
    from: "from (key)",
    to: "to",
    logged: "logged",
    agreement: "agreement",
    schema: "schema",
    body: "body",
    bytes: "bytes, the ones that its sender committed to",
    erased_by: "erased; entry",
    receipt: "receipt",
    answer: "receiver",
    here: "in this file",
    not_here: "not in this file",
    none: "no answer in this file",
    log: "log",
    before: "logs before it",
    abandoned: "abandoned (left / signed)",
    entries: "entries",
    root: "root",
    witnesses: "witnesses",
    not_shown: "what this file does not show",
    existed_by: "existed by",
    limits: [
        "that nothing between these entries was left out, such as the revocation of a key: `saphan audit log` shows that",
        "that the hub showed everybody this same log: only witnesses, or comparing checkpoints, can",
        "what a message said whose body is not here: whoever has the bytes and the salt can still show it",
        "that a message was received which nobody acknowledged here",
        "by when a message existed, other than by the hub's clock: the timestamps here were not checked (--timestamp-authority)",
        "what the hub lost with an abandoned log; that it is lost is the hub's own word",
    ],
};

const THAI: Words = Words {
    holds: "ถูกต้องทั้งหมด",
    does_not_hold: "ไฟล์นี้ไม่ถูกต้อง",
    verdict: "ผลการตรวจ",
    reason: "เหตุผล",
    entry: "รายการที่",
    message: "ข้อความ",
    from: "จาก (กุญแจ)",
    to: "ถึง",
    logged: "บันทึกเมื่อ",
    agreement: "ข้อตกลง",
    schema: "สคีมา",
    body: "เนื้อความ",
    bytes: "ไบต์ ตรงกับที่ผู้ส่งผูกพันไว้",
    erased_by: "ถูกลบแล้ว รายการที่",
    receipt: "ใบรับ",
    answer: "ผู้รับ",
    here: "อยู่ในไฟล์นี้",
    not_here: "ไม่อยู่ในไฟล์นี้",
    none: "ไม่มีการตอบรับในไฟล์นี้",
    log: "บันทึก",
    before: "บันทึกก่อนหน้า",
    abandoned: "เลิกใช้แล้ว (คงเหลือ / ลงนามแล้ว)",
    entries: "รายการ",
    root: "ราก",
    witnesses: "พยาน",
    not_shown: "สิ่งที่ไฟล์นี้ไม่แสดง",
    existed_by: "มีอยู่แล้วเมื่อ",
    limits: [
        "ว่าไม่มีรายการใดระหว่างนี้ถูกละไว้ เช่นการเพิกถอนกุญแจ ต้องตรวจด้วย `saphan audit log`",
        "ว่าศูนย์กลางแสดงบันทึกเดียวกันนี้แก่ทุกคน ต้องอาศัยพยานหรือการเทียบหัวบันทึก",
        "เนื้อความของข้อความที่ไม่อยู่ในไฟล์นี้ ผู้มีเนื้อความและค่าเกลือยังแสดงได้",
        "ว่าผู้รับได้รับข้อความที่ไม่มีการตอบรับในไฟล์นี้",
        "ว่าข้อความมีอยู่แล้วเมื่อใด นอกจากตามนาฬิกาของศูนย์กลาง การประทับรับรองเวลาในไฟล์นี้ยังไม่ได้ตรวจ (--timestamp-authority)",
        "สิ่งที่ศูนย์กลางทำหายไปพร้อมบันทึกที่เลิกใช้ การที่สิ่งนั้นหายเป็นคำของศูนย์กลางเอง",
    ],
};
