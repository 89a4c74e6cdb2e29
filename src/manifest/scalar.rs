//! Single values with a notation of their own.

mod duration;
mod id;
mod mode;
mod name;
mod one_or_many;
mod path;
mod signal;
mod size;

pub use duration::Duration;
pub use id::{Id, User};
pub use mode::Mode;
pub use name::{Hostname, Name};
pub use one_or_many::OneOrMany;
pub use path::AbsolutePath;
pub(crate) use path::{HostPath, tilde};
pub use signal::Signal;
pub use size::Size;
