// Writes capture files for tests, pcap and pcapng, byte for byte as the drafts say; and lets a test
// make them lie.
//
// It depends on nothing of the project, so that its reading of the formats is its own. A writer is
// a plain value. Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng (2023).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/octets.h"

namespace tcpeek::test {

enum class Order : std::uint8_t { little, big };

// Appends numbers in one byte order.
class Fields {
 public:
  explicit Fields(Order order) : order_(order) {}

  Fields& number(std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      put8(bytes_, value >> 8 * (order_ == Order::big ? size - 1 - i : i) & 0xff);
    }
    return *this;
  }
  Fields& u16(std::uint64_t value) { return number(value, 2); }
  Fields& u32(std::uint64_t value) { return number(value, 4); }
  Fields& u64(std::uint64_t value) { return number(value, 8); }
  Fields& add(const Octets& more) {
    append(bytes_, more);
    return *this;
  }
  Fields& pad() {
    bytes_.resize((bytes_.size() + 3) / 4 * 4, std::byte{0});
    return *this;
  }
  [[nodiscard]] const Octets& bytes() const { return bytes_; }

 private:
  Order order_;
  Octets bytes_;
};

// A file that remembers where its records begin.
class SavefileWriter {
 public:
  [[nodiscard]] const Octets& bytes() const { return bytes_; }
  // Where each record begins, and last where the next one would.
  [[nodiscard]] const std::vector<std::size_t>& starts() const { return starts_; }

 protected:
  void record(const Octets& bytes) {
    append(bytes_, bytes);
    starts_.push_back(bytes_.size());
  }

  Octets bytes_;
  std::vector<std::size_t> starts_;
};

class PcapWriter : public SavefileWriter {
 public:
  enum class Unit : std::uint8_t { microseconds, nanoseconds };

  PcapWriter(Order order, Unit unit, std::uint32_t link_type = 1, std::uint16_t version = 2)
      : order_(order) {
    record(Fields(order)
               .u32(unit == Unit::nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4)
               .u16(version)
               .u16(4)
               .u32(0)
               .u32(0)
               .u32(65'535)
               .u32(link_type)
               .bytes());
  }

  // What the header says of the length, where it lies.
  PcapWriter& packet(std::uint32_t seconds, std::uint32_t fraction, const Octets& bytes,
                     std::optional<std::uint32_t> wire_length = {},
                     std::optional<std::uint32_t> captured = {}) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    record(Fields(order_)
               .u32(seconds)
               .u32(fraction)
               .u32(captured.value_or(size))
               .u32(wire_length.value_or(size))
               .add(bytes)
               .bytes());
    return *this;
  }

 private:
  Order order_;
};

struct NgOption {
  std::uint16_t code = 0;
  Octets value;
};

class PcapngWriter : public SavefileWriter {
 public:
  explicit PcapngWriter(Order order = Order::little) {
    starts_.push_back(0);
    section(order);
  }

  PcapngWriter& section(Order order) {
    order_ = order;
    return block(0x0a0d0d0a, fields().u32(0x1a2b3c4d).u16(1).u16(0).u64(~0ULL).bytes());
  }
  PcapngWriter& interface(std::uint16_t link_type = 1, std::uint32_t snap_length = 0,
                          const std::vector<NgOption>& options = {}, bool end_of_options = true) {
    Fields body = fields().u16(link_type).u16(0).u32(snap_length);
    for (const NgOption& option : options) {
      body.u16(option.code).u16(option.value.size()).add(option.value).pad();
    }
    if (end_of_options && !options.empty()) body.u32(0);
    return block(1, body.bytes());
  }
  // `captured`: what the block says of the length, where it lies.
  PcapngWriter& enhanced(std::uint32_t interface, std::uint64_t time, const Octets& bytes,
                         std::optional<std::uint32_t> wire_length = {},
                         std::optional<std::uint32_t> captured = {}, const Octets& options = {}) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    return block(6, fields()
                        .u32(interface)
                        .u32(time >> 32)
                        .u32(time)
                        .u32(captured.value_or(size))
                        .u32(wire_length.value_or(size))
                        .add(bytes)
                        .pad()
                        .add(options)
                        .bytes());
  }
  PcapngWriter& obsolete(std::uint16_t interface, std::uint64_t time, const Octets& bytes,
                         std::optional<std::uint32_t> wire_length = {},
                         std::optional<std::uint32_t> captured = {}) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    return block(2, fields()
                        .u16(interface)
                        .u16(0xdead)  // drops
                        .u32(time >> 32)
                        .u32(time)
                        .u32(captured.value_or(size))
                        .u32(wire_length.value_or(size))
                        .add(bytes)
                        .pad()
                        .bytes());
  }
  PcapngWriter& simple(const Octets& bytes, std::optional<std::uint32_t> wire_length = {}) {
    return block(
        3, fields().u32(wire_length.value_or(bytes.size() & 0xffffffff)).add(bytes).pad().bytes());
  }
  // Any block; its lengths may lie.
  PcapngWriter& block(std::uint32_t type, const Octets& body,
                      std::optional<std::uint32_t> first_length = {},
                      std::optional<std::uint32_t> last_length = {}) {
    const auto length = static_cast<std::uint32_t>(body.size() + 12);
    record(fields()
               .u32(type)
               .u32(first_length.value_or(length))
               .add(body)
               .u32(last_length.value_or(first_length.value_or(length)))
               .bytes());
    return *this;
  }
  [[nodiscard]] Fields fields() const { return Fields(order_); }

 private:
  Order order_ = Order::little;
};

// The options of an interface.
inline NgOption if_name(const std::string& name) {
  NgOption option{2, {}};
  for (const char c : name) put8(option.value, static_cast<std::uint8_t>(c));
  return option;
}
inline NgOption if_tsresol(std::uint8_t resolution) {
  return {9, {std::byte{resolution}}};
}
inline NgOption if_tsoffset(Order order, std::int64_t seconds) {
  return {14, Fields(order).u64(static_cast<std::uint64_t>(seconds)).bytes()};
}

}  // namespace tcpeek::test
