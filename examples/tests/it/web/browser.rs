//! Headless Chromium, driven over the pipe of its DevTools protocol: JSON that ends with a zero byte, in and out. The tests of the
//! console use the same file.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use saphan_schemas::b64;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::{Duration, Instant, timeout};

/// The programs that are one, the smallest first.
const PROGRAMS: [&str; 3] = ["chromium-headless-shell", "chromium", "chromium-browser"];

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A running browser. Dropping it kills it.
pub(crate) struct Browser {
    _process: Child,
    to: tokio::sync::Mutex<ChildStdin>,
    waiting: Waiting,
    events: Arc<watch::Sender<Vec<Value>>>,
    next: AtomicU64,
    _profile: TempDir,
}

/// One tab, with its own cookies.
pub(crate) struct Tab<'a> {
    browser: &'a Browser,
    session: String,
    context: Value,
}

impl Browser {
    /// Starts it; `None` when none is installed.
    pub(crate) fn start() -> Option<Self> {
        let folders = std::env::var_os("PATH")?;
        let mut all = PROGRAMS.iter().flat_map(|name| std::env::split_paths(&folders).map(move |at| at.join(name)));
        let program = all.find(|path| path.is_file())?;
        let profile = TempDir::new().unwrap();
        // The protocol is on the descriptors 3 and 4; the shell puts them where this program's pipes are.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut process = Command::new("sh")
            .args(["-c", script])
            .arg(&program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args(["--lang=en-US", "--remote-debugging-pipe", "--no-first-run", "--disable-background-networking"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (waiting, events) = (Waiting::default(), Arc::new(watch::Sender::new(Vec::new())));
        let mut from = BufReader::new(process.stdout.take().unwrap()).split(0);
        tokio::spawn({
            let (waiting, events) = (Arc::clone(&waiting), Arc::clone(&events));
            async move {
                while let Ok(Some(bytes)) = from.next_segment().await {
                    let message: Value = serde_json::from_slice(&bytes).unwrap();
                    match message["id"].as_u64().and_then(|id| waiting.lock().unwrap().remove(&id)) {
                        Some(answer) => drop(answer.send(message)),
                        None => events.send_modify(|events| events.push(message)),
                    }
                }
            }
        });
        let to = tokio::sync::Mutex::new(process.stdin.take().unwrap());
        Some(Self { _process: process, to, waiting, events, next: AtomicU64::new(1), _profile: profile })
    }

    /// Opens a tab of this size, as a phone or not.
    pub(crate) async fn tab(&self, (width, height): (u32, u32), is_phone: bool) -> Tab<'_> {
        let mut context = self.call(None, "Target.createBrowserContext", json!({})).await;
        let context = context["browserContextId"].take();
        let target = json!({ "url": "about:blank", "browserContextId": context });
        let target = self.call(None, "Target.createTarget", target).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let tab = Tab { browser: self, session, context };
        for domain in ["Page", "Runtime", "Log", "DOM", "Accessibility"] {
            tab.call(&format!("{domain}.enable"), json!({})).await;
        }
        tab.call("Page.setLifecycleEventsEnabled", json!({ "enabled": true })).await;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        tab.call("Emulation.setDeviceMetricsOverride", size).await;
        tab
    }

    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, answer);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.to.lock().await.write_all(&bytes).await.unwrap();
        let mut answer = timeout(PATIENCE, answered).await.unwrap_or_else(|_| panic!("no answer to {method}")).unwrap();
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }
}

impl Tab<'_> {
    async fn call(&self, method: &str, params: Value) -> Value {
        self.browser.call(Some(&self.session), method, params).await
    }

    fn own<'e>(&self, events: &'e [Value], method: &str) -> impl Iterator<Item = &'e Value> {
        events.iter().filter(move |event| event["sessionId"] == *self.session && event["method"] == method)
    }

    /// Lets no script run on any page from now on.
    pub(crate) async fn without_scripts(&self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// The pages that have been loaded, by what Chromium calls them.
    fn loaded<'e>(&self, events: &'e [Value]) -> impl Iterator<Item = &'e Value> {
        let of_its_life = self.own(events, "Page.lifecycleEvent").map(|event| &event["params"]);
        of_its_life.filter(|event| event["name"] == "load").map(|event| &event["loaderId"])
    }

    /// Waits until there is such a page.
    async fn is_loaded(&self, is_it: impl Fn(&Value) -> bool) {
        let mut events = self.browser.events.subscribe();
        let loaded = events.wait_for(|events| self.loaded(events).any(&is_it));
        timeout(PATIENCE, loaded).await.expect("the page is loaded").unwrap();
    }

    /// Opens a page. The empty one that a tab begins with may be loaded only now.
    pub(crate) async fn open(&self, url: &str) {
        let page = self.call("Page.navigate", json!({ "url": url })).await["loaderId"].take();
        assert!(page.is_string(), "{url} is no other page");
        self.is_loaded(|loaded| *loaded == page).await;
    }

    /// What an expression is.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", params).await;
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.eval(expression).await != true {
            if Instant::now() > deadline {
                panic!("never true: {expression}; the page:\n{}", self.eval("document.body.innerText").await);
            }
        }
    }

    /// Presses a key.
    pub(crate) async fn press(&self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, None),
            "Enter" => ("Enter", 13, Some("\r")),
            " " => ("Space", 32, Some(" ")),
            "ArrowDown" => ("ArrowDown", 40, None),
            other => panic!("no key {other}"),
        };
        let mut down = json!({ "type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": number });
        if let Some(text) = text {
            down["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", down.clone()).await;
        down["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", down).await;
    }

    /// Types digits or letters.
    pub(crate) async fn type_in(&self, text: &str) {
        for letter in text.chars() {
            let event = json!({ "type": "char", "text": letter.to_string() });
            self.call("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Goes on with the Tab key until the focus is on this.
    pub(crate) async fn tab_to(&self, selector: &str) {
        let here = format!("document.activeElement.matches({selector:?})");
        for _ in 0..MOST_TABS {
            if self.eval(&here).await == true {
                return;
            }
            self.press("Tab").await;
        }
        panic!("the Tab key never reaches {selector}");
    }

    /// Presses Enter on what leads to another page.
    pub(crate) async fn enter(&self) {
        let before: Vec<Value> = self.loaded(&self.browser.events.borrow()).cloned().collect();
        self.press("Enter").await;
        self.is_loaded(|loaded| !before.contains(loaded)).await;
    }

    /// Puts what is downloaded into this folder, under its own names, from now on.
    pub(crate) async fn downloads_into(&self, folder: &Path) {
        let params = json!({
            "behavior": "allow", "browserContextId": self.context, "downloadPath": folder, "eventsEnabled": true,
        });
        self.browser.call(None, "Browser.setDownloadBehavior", params).await;
    }

    /// Presses Enter on what leads to a download, and waits until it is complete; returns its name.
    pub(crate) async fn download(&self) -> String {
        let mut events = self.browser.events.subscribe();
        let begun = |events: &Vec<Value>| named(events, "Browser.downloadWillBegin").cloned().collect::<Vec<_>>();
        let before = begun(&events.borrow()).len();
        self.press("Enter").await;
        let next = timeout(PATIENCE, events.wait_for(|events| begun(events).len() > before)).await;
        let next = begun(&next.expect("a download begins").unwrap())[before]["params"].clone();
        let is_complete = |events: &Vec<Value>| {
            named(events, "Browser.downloadProgress")
                .any(|event| event["params"]["guid"] == next["guid"] && event["params"]["state"] == "completed")
        };
        timeout(PATIENCE, events.wait_for(is_complete)).await.expect("the download is complete").unwrap();
        next["suggestedFilename"].as_str().unwrap().to_owned()
    }

    /// Chooses a file, as in the dialogue that a browser opens for it.
    pub(crate) async fn choose(&self, selector: &str, file: &Path) {
        let document = self.call("DOM.getDocument", json!({})).await;
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": selector });
        let found = self.call("DOM.querySelector", query).await;
        let chosen = json!({ "nodeId": found["nodeId"], "files": [file] });
        self.call("DOM.setFileInputFiles", chosen).await;
    }

    /// What the console holds: errors, warnings, violations of the policy.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let events = self.browser.events.borrow();
        let logged = self.own(&events, "Log.entryAdded").map(|event| &event["params"]["entry"]["text"]);
        let thrown = self.own(&events, "Runtime.exceptionThrown").map(|event| &event["params"]["exceptionDetails"]);
        logged.chain(thrown).map(Value::to_string).collect()
    }

    /// What assistive technology is offered to act on without being told what it is.
    pub(crate) async fn nameless(&self) -> Vec<Value> {
        let tree = self.call("Accessibility.getFullAXTree", json!({})).await;
        let needs = ["textbox", "searchbox", "combobox", "radio", "checkbox", "button", "link", "group", "Date"];
        let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true);
        let nameless = nodes.filter(|node| {
            let is_empty = node["name"]["value"].as_str().unwrap_or_default().is_empty();
            node["role"]["value"].as_str().is_some_and(|role| needs.contains(&role)) && is_empty
        });
        nameless.cloned().collect()
    }

    /// A picture of what is in view.
    pub(crate) async fn picture(&self, file: &Path) {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        std::fs::write(file, b64::decode_std(picture["data"].as_str().unwrap()).unwrap()).unwrap();
    }
}

/// The events of this name, of whichever tab.
fn named<'e>(events: &'e [Value], method: &'static str) -> impl Iterator<Item = &'e Value> {
    events.iter().filter(move |event| event["method"] == method)
}

/// Long enough for a slow machine; only what never happens takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
const MOST_TABS: usize = 80;
