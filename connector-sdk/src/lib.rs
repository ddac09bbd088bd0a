//! The Saphan connector SDK: send and receive service messages from a back-office system.
