// How Linux shows a packet to a program: the same frame received and sent, to a fanout program, to
// a filter of a SOCK_RAW socket and to one of a SOCK_DGRAM socket.
//
// Received: the outermost tag is taken out of the bytes before anyone looks; the network header is
// what follows the Ethernet header, be it a second tag. Sent: the outermost tag is the device's,
// not in the bytes; a tag that is left in them was written by a VLAN device above, which leaves the
// network header at the IP header. Source: Linux net/core/dev.c, net/8021q,
// include/linux/if_vlan.h, net/packet/af_packet.c.
#pragma once

#include <linux/if_packet.h>

#include "tests/support/bpf_machine.h"
#include "tests/support/packet_builder.h"

namespace tcpeek::test {

enum class Way { received, sent };

// A frame whose tags are all in the bytes, as a device without VLAN support shows it.
inline KernelPacket all_in_bytes(const PacketParts& parts) {
  KernelPacket p;
  p.bytes = parts.frame();
  p.protocol = parts.first_ethertype();
  p.packet_type = PACKET_HOST;
  return p;
}

inline KernelPacket for_raw_socket(PacketParts parts, Way way) {
  if (!parts.tags.empty()) parts.tags.erase(parts.tags.begin());
  KernelPacket p = all_in_bytes(parts);
  if (way == Way::sent) {
    p.packet_type = PACKET_OUTGOING;
    p.network_at += 4 * parts.tags.size();
  }
  return p;
}

// packet_rcv_fanout runs the program before the socket moves the start of the packet.
inline KernelPacket for_fanout(const PacketParts& parts, Way way) {
  KernelPacket p = for_raw_socket(parts, way);
  if (way == Way::received) p.data_at = p.network_at;
  return p;
}

inline KernelPacket for_datagram_socket(const PacketParts& parts, Way way) {
  KernelPacket p = for_raw_socket(parts, way);
  p.data_at = p.network_at;
  return p;
}

}  // namespace tcpeek::test
