// Lets a C++ compiler for the host take the CUDA sources as they are: every thread of a launch runs in turn.
// Races between threads do not show here.
#pragma once
#include <cstddef>
#include <type_traits>
#include <utility>

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct Index3 {
    unsigned x, y, z;
};
static thread_local Index3 gridDim, blockDim, blockIdx, threadIdx;

namespace host {

// What one parameter is: the bytes of an integer or a real, minus the bytes of what a pointer points to.
template <class A>
constexpr int kind() {
    if constexpr (std::is_pointer_v<A>)
        return -int(sizeof(std::remove_pointer_t<A>));
    else
        return int(sizeof(A));
}

template <class... A>
int parameters(void (*)(A...), int* kinds) {
    ((*kinds++ = kind<A>()), ...);
    return int(sizeof...(A));
}

template <class... A, std::size_t... number>
void run(void (*kernel)(A...), void** arguments, std::index_sequence<number...>) {
    kernel(*static_cast<std::remove_const_t<A>*>(arguments[number])...);
}

// shape: blocks in x, y, z and threads in x, y, z; arguments: the address of each.
template <class... A>
void launch(void (*kernel)(A...), const unsigned* shape, void** arguments) {
    gridDim = {shape[0], shape[1], shape[2]};
    blockDim = {shape[3], shape[4], shape[5]};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
                for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x)
                            run(kernel, arguments, std::index_sequence_for<A...>{});
}

}  // namespace host
