package password

// memory is what one derivation after another works in; it grows as they ask for it. The zero value
// is empty and takes its blocks from the heap of Go.
type memory struct {
	blocks []block
	// mapped says that blocks come from the system itself where that can be, so that they are back
	// with it as soon as they are released. Memory of the heap is back after one of the next
	// garbage collections, which in a calm program may be minutes away.
	mapped bool
	unmap  func() // of blocks, or nil
	pause  func() // derivations call it now and then; or nil
}

func (m *memory) take(blocks uint32) []block {
	if uint32(len(m.blocks)) < blocks {
		m.release()
		if m.mapped {
			m.blocks, m.unmap = mapBlocks(blocks)
		}
		if m.blocks == nil {
			m.blocks = make([]block, blocks)
		}
	}
	return m.blocks[:blocks]
}

// shrink lets go of memory beyond what new hashes need, after a stored hash that asked for more.
func (m *memory) shrink(memoryKiB uint32) {
	if uint32(len(m.blocks)) > memoryKiB {
		m.release()
	}
}

// release lets go of all memory. No slice that take returned may be used afterwards.
func (m *memory) release() {
	if m.unmap != nil {
		m.unmap()
	}
	m.blocks, m.unmap = nil, nil
}
