// pcap_compile() with its errors told apart.
//
// libpcap says of an expression it does not understand and of memory it could not get in the same
// way: by words. The first is the user's to mend, the second is not.
//
// Thread contract: none of its own; libpcap's compiler is reentrant.
// Errors: FilterSyntaxError with libpcap's words; std::bad_alloc.
#pragma once

#include <pcap/pcap.h>

#include <cerrno>
#include <new>
#include <string>

#include "ring/capture_filter.h"

namespace tcpeek::ring {

inline void compile_expression(pcap_t* handle, bpf_program* program,
                               const std::string& expression) {
  errno = 0;
  if (pcap_compile(handle, program, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0) return;
  // Set by malloc(), which is all that can fail so.
  if (errno == ENOMEM) throw std::bad_alloc();
  throw FilterSyntaxError(pcap_geterr(handle));
}

}  // namespace tcpeek::ring
