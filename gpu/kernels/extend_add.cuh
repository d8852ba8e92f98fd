// Adding the children's Schur complements into their parents' fronts, and reading parents' inverses for the children.
//
// Child k of a link is matrix rows[k] of its stack; its row i is row places[k * size + i] of matrix parents[k] of the
// other stack. Nothing is atomic: a parent has one child in a link, and the places of a child differ.
//
// Matrices have unit stride along a row. Their other strides, in elements, come as arguments, so that views need no
// copy: between planes (one, or the four of a quaternion matrix), matrices and rows. Offsets pass 2^31.
//
// Threads: x along the columns, where neighbours touch neighbours in memory; y along the rows. Blocks: x children,
// y rows, z planes. All strides are the grid's own, so that any launch covers everything.

template <class Visit>
__device__ inline void for_each_row(long long n_children, int n_planes, int size, Visit visit) {
    for (int plane = blockIdx.z; plane < n_planes; plane += gridDim.z)
        for (long long k = blockIdx.x; k < n_children; k += gridDim.x)
            for (int i = blockIdx.y * blockDim.y + threadIdx.y; i < size; i += gridDim.y * blockDim.y)
                visit(plane, k, i);
}

// front[parent, place, place] += schur[child]; of each Schur complement the upper triangle only, if asked for.
template <class T>
__global__ void extend_add(T* __restrict__ front, long long front_plane, long long front_matrix, long long front_row,
                           const T* __restrict__ schur, long long schur_plane, long long schur_matrix,
                           long long schur_row, const long long* __restrict__ parents,
                           const long long* __restrict__ rows, const int* __restrict__ places, long long n_children,
                           int n_planes, int size, int upper) {
    for_each_row(n_children, n_planes, size, [=](int plane, long long k, int i) {
        const int* place = places + k * size;
        T* target = front + plane * front_plane + parents[k] * front_matrix + place[i] * front_row;
        const T* source = schur + plane * schur_plane + rows[k] * schur_matrix + i * schur_row;
        const int first = upper ? i - i % (int)blockDim.x : 0;  // whole words of memory, then left out one by one
        for (int j = first + threadIdx.x; j < size; j += blockDim.x)
            if (!upper || j >= i) target[place[j]] += source[j];
    });
}

// out[child] = inverse[parent, place, place]
template <class T>
__global__ void gather(const T* __restrict__ inverse, long long inverse_plane, long long inverse_matrix,
                       long long inverse_row, T* __restrict__ out, long long out_plane, long long out_matrix,
                       long long out_row, const long long* __restrict__ parents, const long long* __restrict__ rows,
                       const int* __restrict__ places, long long n_children, int n_planes, int size) {
    for_each_row(n_children, n_planes, size, [=](int plane, long long k, int i) {
        const int* place = places + k * size;
        const T* source = inverse + plane * inverse_plane + parents[k] * inverse_matrix + place[i] * inverse_row;
        T* target = out + plane * out_plane + rows[k] * out_matrix + i * out_row;
        for (int j = threadIdx.x; j < size; j += blockDim.x) target[j] = source[place[j]];
    });
}
