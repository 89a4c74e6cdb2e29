//! Keys that contradict one another.
