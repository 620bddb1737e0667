#include "ipc/packed_snapshot.h"

#include <array>
#include <cstdint>

#include "ipc/snapshot_counters.h"

namespace tcpeek::ipc {
namespace {

class Packer {
 public:
  void put(std::uint64_t value) {
    if (value == 0) {
      ++zeros_;
      return;
    }
    end_zeros();
    put_digits(value);
  }

  [[nodiscard]] std::string take() && {
    end_zeros();
    bytes_.shrink_to_fit();
    return std::move(bytes_);
  }

 private:
  void end_zeros() {
    if (zeros_ == 0) return;
    bytes_ += '\0';
    put_digits(zeros_);
    zeros_ = 0;
  }
  void put_digits(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
  std::uint64_t zeros_ = 0;  // in a row, not written yet
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t get() {
    if (zeros_ == 0) {
      const std::uint64_t value = get_digits();
      if (value != 0) return value;
      zeros_ = get_digits();
    }
    --zeros_;
    return 0;
  }

 private:
  std::uint64_t get_digits() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
  }

  std::string_view bytes_;
  std::uint64_t zeros_ = 0;
};

void pack(Packer& packer, const LatencyHistogram& histogram) {
  for (const std::uint64_t bucket : histogram.buckets()) packer.put(bucket);
  packer.put(histogram.sum_us());
  packer.put(histogram.max_us());
}

LatencyHistogram unpack_histogram(Unpacker& unpacker) {
  std::array<std::uint64_t, LatencyHistogram::kBuckets> buckets{};
  for (std::uint64_t& bucket : buckets) bucket = unpacker.get();
  const std::uint64_t sum_us = unpacker.get();
  return {buckets, sum_us, unpacker.get()};
}

template <class Stats>
void pack_counters(Packer& packer, const Stats& stats) {
  for_each_counter(stats, [&](std::uint64_t value) { packer.put(value); });
}

template <class Stats>
void unpack_counters(Unpacker& unpacker, Stats& stats) {
  for_each_counter(stats, [&](std::uint64_t& value) { value = unpacker.get(); });
}

void pack_counts(Packer& packer, const Counts& counts) {
  pack_counters(packer, counts);
  pack(packer, counts.latency);
  pack(packer, counts.responder_leg);
  pack(packer, counts.initiator_leg);
}

void unpack_counts(Unpacker& unpacker, Counts& counts) {
  unpack_counters(unpacker, counts);
  counts.latency = unpack_histogram(unpacker);
  counts.responder_leg = unpack_histogram(unpacker);
  counts.initiator_leg = unpack_histogram(unpacker);
}

}  // namespace

PackedSnapshot::PackedSnapshot(const Snapshot& snapshot)
    : taken_(snapshot.taken), uptime_(snapshot.uptime), http_(snapshot.http) {
  Packer packer;
  for (const InterfaceStats& interface : snapshot.interfaces) {
    interfaces_.push_back(interface.name);
    pack_counters(packer, interface);
  }
  for (const ReaderStats& reader : snapshot.readers) {
    readers_.push_back(reader.id);
    pack_counters(packer, reader);
  }
  for (const FilterStats& filter : snapshot.filters) {
    filters_.push_back({filter.name, filter.expression, filter.since, filter.removed});
    pack_counts(packer, filter.counts);
  }
  for (const NamedCount& reason : snapshot.packets.ignored) {
    ignored_.push_back(reason.name);
    packer.put(reason.count);
  }
  pack_counts(packer, snapshot.totals);
  pack_counters(packer, snapshot);
  pack_counters(packer, snapshot.packets);
  pack_counters(packer, snapshot.server);
  if (snapshot.http) pack_counters(packer, *snapshot.http);
  counters_ = std::move(packer).take();
}

// In the order of the constructor.
Snapshot PackedSnapshot::unpacked() const {
  Unpacker unpacker(counters_);
  Snapshot snapshot;
  snapshot.taken = taken_;
  snapshot.uptime = uptime_;
  for (const std::string& name : interfaces_) {
    snapshot.interfaces.emplace_back().name = name;
    unpack_counters(unpacker, snapshot.interfaces.back());
  }
  for (const unsigned id : readers_) {
    snapshot.readers.emplace_back().id = id;
    unpack_counters(unpacker, snapshot.readers.back());
  }
  snapshot.filters.reserve(filters_.size());
  for (const Filter& filter : filters_) {
    FilterStats& stats = snapshot.filters.emplace_back();
    stats.name = filter.name;
    stats.expression = filter.expression;
    stats.since = filter.since;
    stats.removed = filter.removed;
    unpack_counts(unpacker, stats.counts);
  }
  for (const std::string_view name : ignored_) {
    snapshot.packets.ignored.push_back({name, unpacker.get()});
  }
  unpack_counts(unpacker, snapshot.totals);
  unpack_counters(unpacker, snapshot);
  unpack_counters(unpacker, snapshot.packets);
  unpack_counters(unpacker, snapshot.server);
  if (http_) unpack_counters(unpacker, snapshot.http.emplace());
  return snapshot;
}

std::size_t PackedSnapshot::bytes() const noexcept {
  std::size_t sum = sizeof *this + counters_.size();
  for (const std::string& name : interfaces_) sum += sizeof(std::string) + name.size();
  for (const Filter& filter : filters_) {
    sum += sizeof filter + filter.name.size() + filter.expression.size();
  }
  return sum + readers_.size() * sizeof(unsigned) + ignored_.size() * sizeof(std::string_view);
}

}  // namespace tcpeek::ipc
