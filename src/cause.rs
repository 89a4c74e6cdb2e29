//! Why a step failed, found by looking at the machine.
