//! From what is asked for and what the host is to what will be done.
