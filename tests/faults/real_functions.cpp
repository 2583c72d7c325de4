// The functions that faults.cpp takes over, under other names, with what else their files define.
#define make_model real_make_model
#define noise_tensor real_noise_tensor
#include "step/batch_tensors.cpp"
#include "step/make_model.cpp"
