// Waits for room in a descriptor's send buffer, on the event loop of the calling thread. See writable.cc.
#pragma once

#include <node_api.h>

namespace vltava {

// Calls `callback` once, with nothing, when `fd` takes bytes again, was shut down or failed. Returns 0, or a negated
// errno: then nothing is called.
int AwaitWritable(napi_env env, int fd, napi_value callback);

}  // namespace vltava
