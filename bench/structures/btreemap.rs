// SPDX-License-Identifier: BSD-3-Clause
//! btreemap.rs: BTreeMap from the first address of a mapping to the rest of it, searched with range(..=a).next_back():
//! what VMMs in Rust (cloud-hypervisor, crosvm) do. Kinder than one of them in two points: an unmap finds what it would
//! split by two searches and not by looking at every mapping, and an unmap of the whole space is one clear().

use std::collections::BTreeMap;

struct Target {
    last: u64,
    phys: u64,
    flags: u32,
}

pub struct IntervalMap(BTreeMap<u64, Target>);

#[no_mangle]
pub extern "C" fn bench_btreemap_open(_mappings: u32) -> *mut IntervalMap {
    Box::into_raw(Box::new(IntervalMap(BTreeMap::new())))
}

/// # Safety
/// `s` comes from open and is not used again.
#[no_mangle]
pub unsafe extern "C" fn bench_btreemap_close(s: *mut IntervalMap) {
    drop(Box::from_raw(s));
}

/// # Safety
/// `s` comes from open.
#[no_mangle]
pub unsafe extern "C" fn bench_btreemap_map(
    s: *mut IntervalMap,
    first: u64,
    last: u64,
    phys: u64,
    flags: u32,
) -> bool {
    let map = &mut (*s).0;

    if let Some((_, before)) = map.range(..=last).next_back() {
        if before.last >= first {
            return false;
        }
    }
    map.insert(first, Target { last, phys, flags });
    true
}

/// # Safety
/// `s` comes from open.
#[no_mangle]
pub unsafe extern "C" fn bench_btreemap_unmap(s: *mut IntervalMap, first: u64, last: u64) -> bool {
    let map = &mut (*s).0;

    if let Some((_, before)) = map.range(..first).next_back() {
        if before.last >= first {
            return false;
        }
    }
    match map.range(first..=last).next_back() {
        None => return true,
        Some((_, end)) if end.last > last => return false,
        _ => {}
    }
    if first == 0 && last == u64::MAX {
        map.clear();
        return true;
    }
    /* Exactly one mapping, most of the time: then there is nothing else to look for. */
    if map.remove(&first).map_or(false, |found| found.last == last) {
        return true;
    }
    while let Some((&next, _)) = map.range(first..=last).next() {
        map.remove(&next);
    }
    true
}

/// # Safety
/// `s` comes from open; `phys` and `flags` can be written.
#[no_mangle]
pub unsafe extern "C" fn bench_btreemap_lookup(
    s: *mut IntervalMap,
    iova: u64,
    phys: *mut u64,
    flags: *mut u32,
) -> bool {
    match (*s).0.range(..=iova).next_back() {
        Some((first, found)) if found.last >= iova => {
            *phys = found.phys + (iova - first);
            *flags = found.flags;
            true
        }
        _ => false,
    }
}
