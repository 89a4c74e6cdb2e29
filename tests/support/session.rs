//! A sandbox that runs while the test does something to it.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than any loaded machine needs.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Default)]
struct Said {
    text: Mutex<(String, bool)>,
    more: Condvar,
}

/// A command that was started, with what it says.
pub struct Session {
    child: Child,
    stdout: Arc<Said>,
    stderr: Arc<Said>,
}

impl Session {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = follow(child.stdout.take().unwrap());
        let stderr = follow(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Waits until this was printed on standard output.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        let said = self.stdout.wait(|said, ended| said.contains(text) || ended);
        assert!(said.contains(text), "no {text:?} in {said:?}, but {:?}", self.stderr.all());
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for the end: the code as a shell tells it, standard output and standard error.
    #[track_caller]
    pub fn finish(mut self) -> (i32, String, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "no end: {:?}", self.stdout.all());
            std::thread::sleep(Duration::from_millis(10));
        };
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        (code, self.stdout.end(), self.stderr.end())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    fn wait(&self, enough: impl Fn(&str, bool) -> bool) -> String {
        let begun = Instant::now();
        let mut said = self.text.lock().unwrap();
        while !enough(&said.0, said.1) {
            assert!(begun.elapsed() < PATIENCE, "nothing more came after {:?}", said.0);
            said = self.more.wait_timeout(said, Duration::from_secs(1)).unwrap().0;
        }
        said.0.clone()
    }

    fn all(&self) -> String {
        self.text.lock().unwrap().0.clone()
    }

    fn end(&self) -> String {
        self.wait(|_, ended| ended)
    }
}

fn follow(mut from: impl Read + Send + 'static) -> Arc<Said> {
    let said = Arc::new(Said::default());
    let told = Arc::clone(&said);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = from.read(&mut buffer) {
            let mut said = told.text.lock().unwrap();
            said.0.push_str(&String::from_utf8_lossy(&buffer[..count]));
            said.1 = count == 0;
            told.more.notify_all();
            if count == 0 {
                return;
            }
        }
        told.text.lock().unwrap().1 = true;
        told.more.notify_all();
    });
    said
}
